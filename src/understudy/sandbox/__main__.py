"""``python -m understudy.sandbox``: a runner."""

from understudy.sandbox.serving import main

main()
