"""The commonest words of languages: they tell the language, and are left out of questions."""

# ruff: noqa: RUF001 - letters of other scripts are meant

STOP_WORDS: dict[str, frozenset[str]] = {
    name: frozenset(words.split())
    for name, words in {
        "english": """
            a about above after again against all am an and any are as at be because been before
            being below between both but by can could did do does doing down during each few for
            from further had has have having he her here hers him his how i if in into is it its
            just me more most my no nor not of off on once only or other our out over own same she
            should so some such than that the their them then there these they this those through
            to too under until up very was we were what when where which while who whom why will
            with would you your""",
        "german": """
            aber alle als also am an auch auf aus bei beim bin bis bist da damit dann das dass dem
            den der des die dies diese dieser doch dort du durch ein eine einem einen einer eines er
            es für gab gibt haben hat hatte ich ihm ihn ihr ihre im in ist ja kann kein keine man
            mehr mit nach nicht noch nun nur oder ob ohne sehr sein seine sich sie sind so soll über
            um und uns unter vom von vor wann war waren warum was weil welche welcher welches wenn
            wer werden wie wieder wir wird wo wurde wurden zu zum zur zwischen""",
        "french": """
            à au aucun aussi autre aux avec avait ce ces cet cette comme comment dans de des donc
            dont du elle elles en est et était étaient être eu fait fut il ils je la le les leur
            leurs lui mais me même ne nous on ont ou où par pas plus pour pourquoi qu quand que quel
            quelle quelles quels qui quoi sa sans se ses si son sont sur tous tout très tu un une
            vous""",
        "spanish": """
            a al ante aunque como cómo con cuál cuáles cuando cuándo cuánto cuántos de del desde
            donde dónde durante e el él ella ellas ellos en entre era eran es esa ese eso esta está
            estaba este esto estos fue fueron ha había han hasta hay la las le les lo los más me mi
            mientras muy no nos o otra otro para pero por porque qué que quién quiénes se según ser
            si sí sin sobre son su sus también tan tiene todo todos tras tuvo un una uno unos y ya
            yo""",
        "portuguese": """
            a ao aos as até com como da das de do dos e é ela elas ele eles em entre era eram essa
            esse esta está este estes eu foi foram há isso isto já lhe mais mas me mesmo meu muito
            na não nas nem no nos nós num numa o onde os ou para pela pelas pelo pelos por porque
            qual quais quando quantos quem que se sem ser seu seus sob sobre sua suas também tem
            tinha um uma você""",
        "italian": """
            a ad ai al alla alle anche c che chi ci come con cosa cui da dal dalla dei del della
            delle dello di dove e è ed era erano fu furono gli ha hanno i il in io l la le lo loro
            ma mentre mi nei nel nella nelle non o ogni per perché più qual quale quali quando
            quanti quanto quello questa questo se si sia sono su sua sul sulla suo suoi tra tutti
            un una uno""",
        "dutch": """
            aan al als bij dan dat de deze die dit doch door een en er had hadden heb hebben heeft
            hem het hij hoe hoeveel hun ik in is je kan kon maar meer met mijn na naar niet nog nu
            of om omdat ook op over te tegen toen tot uit van veel voor waar waarom wanneer waren
            was wat we wel welk welke werd werden wie wij worden wordt ze zich zij zijn zo zou""",
        "swedish": """
            alla att av blev bli de dem den denna deras dess det detta dig din då där efter ej
            eller en er ett från för ha hade han hans har hon hur här i icke inte jag kan man med
            men mig min mot mycket någon när och om oss på samma sedan sig sin ska skulle som så
            till under upp ut utan vad var varför vem vi vid vilka vilken över är""",
        "danish": """
            af alle at blev blive da de dem den denne der deres det dette dig din disse dog eller
            en end er et for fra ham han hans har havde hende hun hvad hvem hvilke hvilken hvis hvor
            hvordan hvorfor hvornår i ikke ind jeg jo kan man mange med meget men mig min mod når
            nogle nu og også om op os over på sig sin skal som til ud under var ved vi vil
            være""",
        "norwegian": """
            alle at av ble bli da de deg dem den denne der det dette du eller en enn er et etter for
            fra ha hadde han har hun hva hvem hvilke hvilken hvor hvordan hvorfor i ikke inn jeg
            kan med meg men min mot mye nå når noe og også om opp oss over på seg sin skal som så
            til under ut var ved vi vil være""",
        "finnish": """
            ei eikä ja jo jos joka jotka joten kanssa ketkä kuin kuinka kuka kun me mikä miksi
            milloin missä mitä mitkä mutta myös ne niin nyt oli olivat olla on ovat se sekä sen
            siitä sitä tai tämä tämän vaan vain voi""",
        "hungarian": """
            a az abban ahol aki ami amely amikor azok azt be csak de e egy ez ezek ezt és hanem hogy
            hogyan hol ha ki kik is it le meg mely melyik melyek mert mi mint mikor miért milyen
            mit még már nem nincs ott ő s sem szerint után vagy van volt voltak""",
        "romanian": """
            a ai al ale am ar are au ca că când care cât cea ce cei cel cine cum cu da dar de despre
            din după ea ei el ele era este eu fi fost iar în între la le lor lui mai ne noi nu o
            pe pentru prin sa să sau se și sub sunt un una unde unei unui va""",
        "turkish": """
            ama ancak bir bu çok da daha de değil diye en gibi göre hangi hangisi hem her için ile
            ise kadar kaç ki kim mı mi mu mü nasıl ne neden nerede niçin o olan olarak oldu olduğu
            onun sonra şu tarafından ve veya ya zaman""",
        "polish": """
            a aby ale bez by być był była było były co czy dla do gdy gdzie go i ich ile im ja jak
            jaka jaki jakie jako jego jej jest jeśli już kiedy kto które który która ma na nad nie
            o od oraz po pod przez przy są się ta tak także tego ten to tym w we z za ze że""",
        "czech": """
            a aby ale ani bez byl byla bylo byly být by co či do ho i jak jako jaké jaký je jeho
            její jejich jen jsou k kde kdo kdy kdyby když která které který ke ma má mezi na nebo
            není o od po pod podle pro proč před při s se si tak také ten to u v ve však z za ze
            že""",
        "catalan": """
            a al als amb aquest aquesta això com de del dels des els em en entre era és està fins
            ha hi i la les li més molt no o on per però perquè pel pels què qual quan que qui s són
            se sense ser seu seva si sobre també un una uns va van""",
        "indonesian": """
            ada adalah akan antara apa apakah atau bagaimana bagi bahwa banyak berapa bisa dalam
            dan dapat dari dengan di dia hanya harus ia ini itu jika juga kami karena ke kepada
            kita lebih mana mengapa mereka namun oleh pada para saat saya sebagai secara seperti
            siapa sudah telah tetapi tidak untuk yang""",
        "russian": """
            а без был была были было в вы где да для до его ее её если есть и из или их к как какая
            какие какой когда которая которые который кто ли на не но о об он она они от по почему
            при с со сколько так то только у что чтобы чем это этого этот я""",
        "greek": """
            από για δεν είναι η ή ήταν θα και με μια να ο οι ποια ποιο ποιος πότε που πού πως πώς σε
            στη στην στο στον τα την της τι τις το τον του των ως""",
        "arabic": """
            أن أو أي إلى إن التي الذي الذين اللذان بعد بين تم حتى ذلك على عن عند عندما في قد كان
            كانت كل كم كما كيف لا لم لماذا لن ليس ما ماذا متى مع من منذ هذا هذه هل هم هو هي و
            يكون""",
        "hindi": """
            इस उस एक और कब कहाँ कहां का कि कितना कितनी कितने किस किसने किसे की के को कौन कौनसा क्या
            क्यों था थी थे द्वारा ने नहीं पर भी में यह या ये वह वे से है हैं हो होता गया गई""",
    }.items()
}
