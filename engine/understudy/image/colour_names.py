"""Names of colour spaces: the pinned configuration's, and everyday ones."""

from __future__ import annotations

CONFIG_NAME = "studio-config-v2.1.0_aces-v1.3_ocio-v2.3"
"""Built-in configuration, pinned by its name so that an upgrade never changes a picture."""
ENCODED = "ACEScct"
"""Space that networks and colour statistics see."""
SCENE_LINEAR = "ACEScg"
"""Space that an EXR is in unless told."""
DISPLAY = "sRGB - Texture"
"""Space that 8 to 16 bit images and videos are in unless told."""
RAW = "raw"
"""Data, which is not converted."""

EVERYDAY_NAMES = {
    "hlg": "Rec.2100-HLG - Display",
    "rec.2100-hlg": "Rec.2100-HLG - Display",
    "bt.2100 hlg": "Rec.2100-HLG - Display",
    "arib-std-b67": "Rec.2100-HLG - Display",
    "hlg_rec2020_display": "Rec.2100-HLG - Display",
    "pq": "Rec.2100-PQ - Display",
    "rec.2100-pq": "Rec.2100-PQ - Display",
    "bt.2100 pq": "Rec.2100-PQ - Display",
    "st2084": "Rec.2100-PQ - Display",
    "smpte2084": "Rec.2100-PQ - Display",
    "hdr10": "Rec.2100-PQ - Display",
    "pq_rec2020_display": "Rec.2100-PQ - Display",
    "pq_p3d65_display": "ST2084-P3-D65 - Display",
    "display p3": "sRGB Encoded P3-D65 - Texture",
    "p3": "sRGB Encoded P3-D65 - Texture",
    "srgb_p3d65_scene": "sRGB Encoded P3-D65 - Texture",
    "srgb_p3d65_display": "sRGB Encoded P3-D65 - Texture",
    "aces": "ACES2065-1",
    "arri logc": "ARRI LogC3 (EI800)",
    "arri logc3": "ARRI LogC3 (EI800)",
    "logc": "ARRI LogC3 (EI800)",
    "logc3": "ARRI LogC3 (EI800)",
    "alexav3logc": "ARRI LogC3 (EI800)",
    "logc4": "ARRI LogC4",
    "s-log3": "S-Log3 S-Gamut3.Cine",
    "slog3": "S-Log3 S-Gamut3.Cine",
    "s-log3.cine": "S-Log3 S-Gamut3.Cine",
    "v-log": "V-Log V-Gamut",
    "vlog": "V-Log V-Gamut",
    "canon log 2": "CanonLog2 CinemaGamut D55",
    "canon log2": "CanonLog2 CinemaGamut D55",
    "canonlog2": "CanonLog2 CinemaGamut D55",
    "c-log2": "CanonLog2 CinemaGamut D55",
    "canon log 3": "CanonLog3 CinemaGamut D55",
    "canon log3": "CanonLog3 CinemaGamut D55",
    "canonlog3": "CanonLog3 CinemaGamut D55",
    "c-log3": "CanonLog3 CinemaGamut D55",
    "log3g10": "Log3G10 REDWideGamutRGB",
    "redlog3g10": "Log3G10 REDWideGamutRGB",
    "bmdfilm": "BMDFilm WideGamut Gen5",
    "blackmagic film gen 5": "BMDFilm WideGamut Gen5",
    "davinci intermediate": "DaVinci Intermediate WideGamut",
    "applelog": "Apple Log",
    "kodaklog": "Cineon",
    "adobe rgb": "Gamma 2.2 Encoded AdobeRGB",
    "adobergb": "Gamma 2.2 Encoded AdobeRGB",
    "srgb": DISPLAY,
    "srgb_rec709_scene": DISPLAY,
    "srgb_rec709_display": DISPLAY,
    "rec.709": "Gamma 2.4 Rec.709 - Texture",
    "rec709": "Gamma 2.4 Rec.709 - Texture",
    "rec.1886": "Rec.1886 Rec.709 - Display",
    "bt.1886": "Rec.1886 Rec.709 - Display",
    "g24_rec709_display": "Rec.1886 Rec.709 - Display",
    "g24_rec2020_display": "Rec.1886 Rec.2020 - Display",
    "g26_p3d65_display": "P3-D65 - Display",
    "g22_rec709_display": "Gamma 2.2 Rec.709 - Texture",
    "g22_rec709_scene": "Gamma 2.2 Rec.709 - Texture",
    "g18_rec709_scene": "Gamma 1.8 Rec.709 - Texture",
    "g22_ap1_scene": "Gamma 2.2 AP1 - Texture",
    "srgb_ap1_scene": "sRGB Encoded AP1 - Texture",
    "g22_adobergb_scene": "Gamma 2.2 Encoded AdobeRGB",
    "g22_adobergb_display": "Gamma 2.2 Encoded AdobeRGB",
    "lin_ap0_scene": "ACES2065-1",
    "lin_ap1_scene": "ACEScg",
    "lin_rec709_scene": "Linear Rec.709 (sRGB)",
    "lin_p3d65_scene": "Linear P3-D65",
    "lin_rec2020_scene": "Linear Rec.2020",
    "lin_adobergb_scene": "Linear AdobeRGB",
    "data": RAW,
    "unknown": "",
}
"""What cameras, players and the Color Interop Forum call spaces, in lower case, and the configuration's name.

S-Log3 without a gamut is taken for S-Gamut3.Cine, as Sony recommends it; LogC3 for exposure index 800.
"""

INTEROP_IDS = {
    "ACES2065-1": "lin_ap0_scene",
    "ACEScg": "lin_ap1_scene",
    "Linear Rec.709 (sRGB)": "lin_rec709_scene",
    "Linear P3-D65": "lin_p3d65_scene",
    "Linear Rec.2020": "lin_rec2020_scene",
    "Linear AdobeRGB": "lin_adobergb_scene",
    DISPLAY: "srgb_rec709_scene",
    "sRGB Encoded P3-D65 - Texture": "srgb_p3d65_scene",
    "sRGB Encoded AP1 - Texture": "srgb_ap1_scene",
    "Gamma 2.2 Rec.709 - Texture": "g22_rec709_scene",
    "Gamma 1.8 Rec.709 - Texture": "g18_rec709_scene",
    "Gamma 2.2 AP1 - Texture": "g22_ap1_scene",
    "Gamma 2.2 Encoded AdobeRGB": "g22_adobergb_scene",
    "Rec.1886 Rec.709 - Display": "g24_rec709_display",
    "Rec.1886 Rec.2020 - Display": "g24_rec2020_display",
    "P3-D65 - Display": "g26_p3d65_display",
    "Rec.2100-HLG - Display": "hlg_rec2020_display",
    "Rec.2100-PQ - Display": "pq_rec2020_display",
    "ST2084-P3-D65 - Display": "pq_p3d65_display",
    RAW: "data",
}
"""The `colorInteropID` of a space: Color Interop Forum, "Color Space Encodings for Texture Assets and CG
Rendering"."""
