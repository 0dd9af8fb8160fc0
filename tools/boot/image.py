# SPDX-License-Identifier: MIT
class ImageError(Exception):
    pass
