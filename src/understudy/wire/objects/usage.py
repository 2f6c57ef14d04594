"""Token counts."""

from msgspec import Struct


class PromptTokenDetails(Struct, frozen=True):
    """How many prompt tokens the upstream served from its cache."""

    cached_tokens: int = 0


class CompletionTokensDetails(Struct, frozen=True):
    """How many completion tokens went into reasoning."""

    reasoning_tokens: int = 0


class Usage(Struct, frozen=True, kw_only=True):
    """Tokens of a step or a run; the first details key really is singular (RUN-05)."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    total_tokens: int = 0
    prompt_token_details: PromptTokenDetails = PromptTokenDetails()
    completion_tokens_details: CompletionTokensDetails = CompletionTokensDetails()

    def __add__(self, other: "Usage") -> "Usage":
        """Return the sum of both, as a run sums its steps (RUN-36)."""
        return Usage(
            prompt_tokens=self.prompt_tokens + other.prompt_tokens,
            completion_tokens=self.completion_tokens + other.completion_tokens,
            total_tokens=self.total_tokens + other.total_tokens,
            prompt_token_details=PromptTokenDetails(
                self.prompt_token_details.cached_tokens + other.prompt_token_details.cached_tokens
            ),
            completion_tokens_details=CompletionTokensDetails(
                self.completion_tokens_details.reasoning_tokens
                + other.completion_tokens_details.reasoning_tokens
            ),
        )
