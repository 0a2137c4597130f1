from typing import SupportsIndex

from typing_extensions import Buffer

class WebPEncodeError(ValueError): ...

def encode(
    data: Buffer,
    *,
    width: SupportsIndex | None = None,
    height: SupportsIndex | None = None,
    quality: SupportsIndex = 75,
    lossless: bool = False,
) -> bytes: ...
