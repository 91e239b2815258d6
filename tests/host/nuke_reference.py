"""What Nuke's own nodes are called in a script: classes, knobs, kinds, words and inputs.

Written down in November 2026 for the tests that hold a hand-written gizmo to what is documented. Nothing
here comes of running Nuke, and a knob that was not found in one of these places is not in the table:

* Foundry's public pages (``learn.foundry.com``); ``page`` is the address where the class was read there. They
  give names, defaults, words and inputs, and say nothing of a knob's kind;
* sources of nodes that Foundry publishes as examples of its plug-in kit, which do give the kinds;
* public lists of the knobs of a running Nuke 17.0: kinds, words and the defaults the pages leave out;
* public scripts, as Nuke wrote them. A class found on no page has ``LISTS`` or ``SCRIPTS`` for its page.

So ``page`` vouches for the class and its main knobs, not for each kind. Words are the ones a script holds,
not the labels of the panel. A default is as a script writes it, and ``None`` where none was found.
"""

from collections.abc import Mapping
from dataclasses import dataclass

SITE = "https://learn.foundry.com/nuke/"
LISTS = "seen in public lists of a running Nuke's knobs"
SCRIPTS = "seen in public scripts"


@dataclass(frozen=True)
class Knob:
    """A knob by its name in a script; ``size`` is how many numbers it holds, ``words`` what it may say."""

    name: str
    kind: str
    words: tuple[str, ...] = ()
    size: int = 1
    default: str | None = None


@dataclass(frozen=True)
class NodeClass:
    """A node's class as a script names it, its inputs from the first, and its knobs beside ``COMMON``."""

    name: str
    page: str
    inputs: tuple[str, ...]
    knobs: Mapping[str, Knob]
    note: str = ""


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split("|" if "|" in text else None))


_WORDS_AS_TEXT = {
    "kind": "double int bool enumeration string file channels channel color xy array matrix pulldown button "
    "text format box uv",
    "merge": "atop average color-burn color-dodge conjoint-over copy difference disjoint-over divide "
    "exclusion from geometric hard-light hypot in mask matte max min minus multiply out over overlay plus "
    "screen soft-light stencil under xor",
    "channel_merge": "absminus|b if not a|divide|from|in|max|min|minus|multiply|out|plus|stencil|union|xor",
    "side": "union B A",
    "bbox": "union intersection A B",
    "from": "B A All",
    "shuffle": "off red green blue alpha black white red2 green2 blue2 alpha2",
    "remove": "remove keep",
    "filter": "box triangle quadratic gaussian",
    "resample": "impulse linear cubic Keys Simon Rifman Mitchell Parzen notch Lanczos4 Lanczos6 sinc4",
    "shutter": "centred start end custom",
    "skew": "XY YX",
    "resize": "none width height fit fill distort",
    "crop": "format square 4:3 16:9 14:9 1.66:1 1.85:1 2.35:1",
    "tracker": "none|stabilize|stabilize 1-pt|match-move|match-move 1-pt|remove jitter|add jitter",
    "clip": "none bbox format union intersect",
    "ramp": "none linear smooth0 smooth1 smooth",
    "noise": "fBm turbulence",
    "luminance": "Rec 709|Ccir 601|Average|Maximum",
    "metadata_merge": "Image+Meta|Meta only|Meta+Image|Image only",
    "metadata_within": "keys and values|keys only|values only",
    "colorspace": "1.80|2.20|2.40|2.60|rec709|sRGB|Cineon|RGB|HSV|HSL|YPbPr|YCbCr|CIE-XYZ|CIE-Yxy|CIE-Lab|"
    "CIE-LCH|Panalog|REDLog|ViperLog|AlexaV3LogC|PLogLin|SLog|SLog1|SLog2|SLog3|CLog|Log3G10|Log3G12|"
    "HybridLogGamma|Protune|BT1886|st2084|Blackmagic Film Generation 5|ARRILogC4",
    "illuminant": "A B C D50 D55 d58 D65 D75 9300 E F2 F7 F11 DCI-P3 ACES",
    "primary": "Adobe (1998)|Apple|Best RGB|Beta RGB|Bruce RGB|CIE (1931)|ColorMatch|DCI-P3|Don RGB 4|"
    "ECI RGB|Ekta Space PS5|NTSC (1953)|PAL/SECAM|ProPhoto|SMPTE-C|sRGB|Wide Gamut|AlexaV3LogC|Sony S-Gamut|"
    "ACES|Rec.2020|ARRI Wide Gamut 4",
}
WORDS: dict[str, tuple[str, ...]] = {name: _words(text) for name, text in _WORDS_AS_TEXT.items()}
KINDS = frozenset(WORDS["kind"])

# What many classes share, in the table's form: name:kind*size=default, a comma in a default for a blank.
_SHARED = {
    "@mask": "maskChannelMask:channel=rgba.alpha maskChannelInput:channel=none inject:bool=false "
    "invert_mask:bool=false fringe:bool=false maskFromFlag:bool=false",
    "@mix": "mix:double=1",
    "@mix_luminance": "enable_mix_luminance:bool=true mix_luminance:double=0",
    "@render": "beforeRender:string beforeFrameRender:string afterFrameRender:string afterRender:string",
    "@transform": "translate:xy*2=0,0 rotate:double=0 scale:array*2=1 skewX:double=0 skewY:double=0 "
    "skew_order:enumeration=XY center:xy*2",
    "@resample": "filter:enumeration=cubic clamp:bool=false black_outside:bool=true motionblur:double=0 "
    "shutter:double=0.5 shutteroffset:enumeration=start shuttercustomoffset:double=0",
}
_SHARED["@colour"] = f"{_SHARED['@mask']} unpremult:channel=none invert_unpremult:bool=false mix:double=1"


def _knobs(knobs: str, words: str = "") -> dict[str, Knob]:
    says = dict(word.split("=") for word in words.split())
    read: dict[str, Knob] = {}
    for word in " ".join(_SHARED.get(word, word) for word in knobs.split()).split():
        head, _, default = word.partition("=")
        name, _, kind = head.partition(":")
        kind, _, size = kind.partition("*")
        assert kind in KINDS and name not in read, word
        said = WORDS[says.pop(name)] if name in says else ()
        read[name] = Knob(name, kind, said, int(size or 1), default.replace(",", " ") or None)
    assert not says, says
    return read


def _classes(table: str) -> dict[str, NodeClass]:
    read = {}
    for part in table.strip().replace("\n  ", "\t").split("\n"):
        first, *rest = part.split("\t")
        name, _, after = first.partition(" (")
        inputs, _, page = after.partition(") ")
        told = {"has": "", "says": "", "note": ""}
        for line in rest:
            key, _, text = line.partition(" ")
            told[key] += f"{text} "
        assert name not in read, name
        page = {"lists": LISTS, "scripts": SCRIPTS}.get(page, SITE + page)
        knobs = _knobs(told["has"], told["says"])
        read[name] = NodeClass(name, page, _words(inputs), knobs, told["note"].strip())
    return read


COMMON: tuple[Knob, ...] = tuple(
    _knobs(
        "name:string label:string tile_color:int=0 gl_color:int=0 note_font:string note_font_size:double=11 "
        "note_font_color:int=0 xpos:int ypos:int selected:bool=false disable:bool=false "
        "hide_input:bool=false cached:bool=false dope_sheet:bool=false bookmark:bool=false "
        "postage_stamp:bool=false postage_stamp_frame:double=1 lifetimeStart:double=0 lifetimeEnd:double=0 "
        "useLifetime:bool=false inputs:string help:string icon:file indicators:double=0 onCreate:string "
        "onDestroy:string knobChanged:string updateUI:string autolabel:string rootNodeUpdated:string"
    ).values()
)
"""What every node has. ``inputs`` is no knob but a word of the script: what it takes off the stack."""

SCRIPT_NOTES = """
* The node on top of the stack becomes input 0, the one under it input 1: a merge is pushed mask, A, then B.
* `inputs 2+1` counts the mask apart, `inputs 1+1` a filter with its mask; `push 0` leaves an input empty.
* A node that names no `inputs` takes one node, a generator (Read, Constant, Input) none; no node takes two
  or more unless it says so, and one that is not connected must say `inputs 0`.
* A knob driven by an expression holds it in two braces: `size {{-parent.grow}}`, or `{{"a > b ? 1 : 0"}}`;
  a knob of many numbers holds one such part for each: `size {{a} {b}}`, and a plain number needs no braces.
* In a value in quotation marks a bracket of Tcl and a quotation mark take a backslash.
* The words frame, t and x are the frame in a knob's expression; knobs that hold numbers are named with
  dots: `parent.grow`, `Blur1.size.w`, `input.height`. Numbers only, no strings.
* In an expression `{{"[metadata exr/NAME]"}}` is the text of that key read as a number; in a label it is
  written `[metadata exr/NAME]`. What a missing key gives was not found.
* A file's EXR attributes are keys under `exr/`, such as `exr/nuke/camera/focal`; Nuke's own are `input/...`
  and `nuke/...`. A value Nuke itself wrote into an EXR comes back as text.
* Functions named by the table of expression functions, as far as it was read: abs acos asin atan atan2 ceil
  clamp cos cosh curve degrees exp exponent fBm fabs false floor hypot ldexp log log10 mantissa max min
  noise pow radians random rint sin sinh tan tanh true trunc turbulence value.
* clamp(x, low, high) and clamp(x), which is to 0 and 1. exp(x) is e to the power of x and names log and
  log10 as its counterparts; that log is the natural one follows from that, its own row was not read.
"""

CLASSES: dict[str, NodeClass] = _classes("""
Group () scripts
  note Inputs are those its Input nodes make. Ends at end_group; its own knobs are addUserKnob lines, each
  note with its value on a line after it. Without `inputs` it takes one node, however many Inputs it has.
Input () scripts
  has number:int
  note inputs 0. number was seen as 1 on a second one.
Output (input) scripts
NoOp (input) lists
  note No knobs of its own: a carrier of user knobs.
Dot (input) lists
StickyNote () scripts
  note inputs 0; its text is the common label.
BackdropNode () scripts
  has bdwidth:double bdheight:double z_order:double appearance:enumeration border_width:double
  note inputs 0. appearance was seen as Border. Kinds by how scripts write the values.
Switch (0 1) lists
  has which:double=0
  note Two inputs and more; which counts from 0 and input 0 is the first. Written as an expression as a rule.
Read () scripts
  has file:file file_type:enumeration proxy:file format:format first:int last:int origfirst:int origlast:int
  has origset:bool before:enumeration after:enumeration on_error:enumeration colorspace:enumeration
  has in_colorspace:enumeration out_colorspace:enumeration
  note inputs 0. before and after were seen as hold. Kinds by how scripts write the values.
Write (input) scripts
  has file:file file_type:enumeration channels:channels first:int last:int use_limit:bool
  has create_directories:bool metadata:enumeration autocrop:bool compression:enumeration datatype:enumeration
  has ocioColorspace:enumeration version:int
  note Kinds by how scripts write the values.
Shuffle (input) lists
  has in:channel=rgba in2:channel=none red:enumeration=red green:enumeration=green blue:enumeration=blue
  has alpha:enumeration=alpha black:enumeration=red2 white:enumeration=green2 red2:enumeration=blue2
  has green2:enumeration=alpha2 out:channel=rgba out2:channel=none
  says red=shuffle green=shuffle blue=shuffle alpha=shuffle black=shuffle white=shuffle red2=shuffle
  says green2=shuffle
  note The classic node. in and out are layers. The knob red says what goes to the first channel of out, and
  note so on to alpha; black, white, red2 and green2 are the four of out2. Words with a 2 read from in2.
Shuffle2 (B A) lists
  has in1:channel=rgba in2:channel=none out1:channel=rgba out2:channel=none fromInput1:enumeration
  has fromInput2:enumeration mappings:string
  note mappings counts its entries first: "4 rgba.red 0 0 rgba.red 0 0 ..."; a constant reads as white -1 -1.
  note fromInput1 is a list, `fromInput1 {{0} B}`.
Copy (B A mask) content/reference_guide/channel_nodes/copy.html
  has from0:channel=rgba.alpha to0:channel=rgba.alpha from1:channel=none to1:channel=none from2:channel=none
  has to2:channel=none from3:channel=none to3:channel=none channels:channels=none bbox:enumeration=union
  has metainput:enumeration=B rangeinput:enumeration=B @colour
  says bbox=side metainput=from rangeinput=from
  note from is of A, to is in B.
AddChannels (input) lists
  has channels:channels=none channels2:channels=none channels3:channels=none channels4:channels=none
  has color:color*4=0 format_size:bool=false
Remove (input) lists
  has operation:enumeration=remove channels:channels=all channels2:channels=none channels3:channels=none
  has channels4:channels=none
  says operation=remove
  note keep deletes every channel but the named ones.
ChannelMerge (B A mask) content/reference_guide/channel_nodes/channelmerge.html
  has A:channel=rgba.alpha operation:enumeration=union B:channel=rgba.alpha output:channel=rgba.alpha
  has bbox:enumeration=union @mask @mix
  says operation=channel_merge bbox=side
  note Without an A input both channels are B's. All channels but output are B's. minus is A-B, from B-A;
  note multiply leaves A where both are negative.
Merge2 (B A mask) content/reference_guide/merge_nodes/merge.html
  has operation:enumeration=over sRGB:bool=false screen_alpha:bool=false bbox:enumeration=union
  has metainput:enumeration=B rangeinput:enumeration=B Achannels:channel=rgba Bchannels:channel=rgba
  has output:channel=rgba also_merge:channels=none @mask @mix
  says operation=merge bbox=bbox metainput=from rangeinput=from
  note B is input 0, A 1, mask 2. minus is A-B, from B-A, multiply AB, mask Ba, stencil B(1-a), in Ab, out
  note A(1-b), with a and b the alphas: so plus, minus, from, min and max read none. mix 0 is B alone. hypot
  note is the script's word for the panel's diagonal. bbox's A and B are written bare.
Keymix (B A mask) content/reference_guide/merge_nodes/keymix.html
  has channels:channels=all maskChannel:channel=rgba.alpha invertMask:bool=false mix:double=1
  has bbox:enumeration=union
  says bbox=side
  note B is input 0, A 1, mask 2, by Foundry's own source: A m + B (1 - m), m the mask times mix. Not m
  note clamped but: at or under 0 it is B, at or over 1 it is A. Channels that are not named are B's. It is
  note invertMask and maskChannel here, where other nodes have invert_mask and maskChannelMask.
Dissolve (0 1 mask) lists
  has channels:channels=all which:double=0 mergerange:bool=false metainput:double=0 @mask
  note Inputs are numbered; their order with the mask was not found. which goes from the first to the second
  note between 0 and 1. It has no knob mix.
Premult (input) lists
  has channels:channels=rgb alpha:channel=rgba.alpha invert:bool=false
Unpremult (input) lists
  has channels:channels=rgb alpha:channel=rgba.alpha invert:bool=false
ColorMatrix (input mask) lists
  has channels:channels=rgb matrix:matrix*9 invert:bool=false @colour
  note matrix is written in rows, three braces of three numbers inside one.
Add (input mask) lists
  has channels:channels=all value:color*4=0 @colour
Multiply (input mask) lists
  has channels:channels=all value:color*4=1 @colour
Gamma (input mask) scripts
  has channels:channels value:color*4 maskChannelInput:channel=none fringe:bool=false
  note Only the knobs that scripts showed.
Grade (input mask) developers/70/ndkreference/examples/Grade.cpp
  has channels:channels=rgb blackpoint:color*4=0 whitepoint:color*4=1 black:color*4=0 white:color*4=1
  has multiply:color*4=1 add:color*4=0 gamma:color*4=1 reverse:bool=false black_clamp:bool=true
  has white_clamp:bool=false @colour @mix_luminance
  note black is the panel's lift, white its gain, add its offset. a = multiply
  note (white-black)/(whitepoint-blackpoint); b = add + black - a blackpoint; the result is (a x + b) to the
  note power of 1/gamma. black_clamp is on unless it is turned off.
Saturation (input mask) lists
  has channels:channels=rgb saturation:double=1 mode:enumeration=Rec,709 @colour
  says mode=luminance
Clamp (input mask) lists
  has channels:channels=all minimum:color*4=0 minimum_enable:bool=true maximum:color*4=1
  has maximum_enable:bool=true MinClampTo:color*4=0 MinClampTo_enable:bool=false MaxClampTo:color*4=1
  has MaxClampTo_enable:bool=false @colour
Expression (input mask) content/comp_environment/color_correction/applying_expressions.html
  has temp_name0:string temp_expr0:string temp_name1:string temp_expr1:string temp_name2:string
  has temp_expr2:string temp_name3:string temp_expr3:string channel0:channels expr0:string channel1:channels
  has expr1:string channel2:channels expr2:string channel3:channels expr3:string @colour @mix_luminance
  note By default channel0 to channel3 are red, green, blue and alpha, and each expr belongs to the channel of
  note its number: `channel0 {rgba.red -rgba.green -rgba.blue none}`. r g b a are this layer's, others are
  note named whole: depth.Z. x and y are the pixel, not the frame, which is frame; width and height are there,
  note r(x, y) reads another pixel, ?: chooses, ** is a power. Expressions are plain text: `expr0 "r > 0 ? r :
  note 0"`. A temp_name may be used by every expr. Public scripts name other knobs bare, parent.knob.r in a
  note temp_expr and the node's own user knobs in an expr, and also as `[value Node.knob]`. cx and cy were not
  note found.
OCIOColorSpace (input mask) lists
  has channels:channels=rgb in_colorspace:enumeration out_colorspace:enumeration reverse_transform:bool=false
  has swap:button key1:string value1:string key2:string value2:string key3:string value3:string key4:string
  has value4:string @colour
  note The words are the configuration's colour spaces and roles.
Colorspace (input mask) lists
  has channels:channels=rgb colorspace_in:enumeration=RGB illuminant_in:enumeration=D65
  has primary_in:enumeration=sRGB colorspace_out:enumeration=RGB illuminant_out:enumeration=D65
  has primary_out:enumeration=sRGB swap:button bradford_matrix:bool=false colormatrix:matrix*9 @colour
  says colorspace_in=colorspace colorspace_out=colorspace illuminant_in=illuminant illuminant_out=illuminant
  says primary_in=primary primary_out=primary
  note RGB is the panel's Linear.
FilterErode (input mask) content/reference_guide/filter_nodes/erode_filter.html
  has channels:channels size:array*2=1 filter:enumeration=box @mask @mix
  says filter=filter
  note A positive size shrinks the bright, a negative one grows it: the bright is the maximum, over the
  note filter, of pixel times weight, and a positive size does the same to 1 - pixel. Sizes are pixels and may
  note be fractions. The page says no channels by default, a running Nuke alpha: name them.
Dilate (input mask) content/reference_guide/filter_nodes/erode_fast.html
  has channels:channels=all size:array*2=0 @mask @mix
  note Erode (fast) in the menu. A positive size grows the bright, a negative one shrinks it: the other way
  note round than FilterErode.
Erode (input mask) lists
  has channels:channels size:array*2=-1 blur:double=0 quality:double=15 @mask @mix
  note Erode (blur) in the menu. Starts on alpha. What its size's sign does was not found.
Blur (input mask) lists
  has channels:channels=all size:array*2=0 filter:enumeration=gaussian quality:double=15 crop:bool=true @mask
  has @mix
  says filter=filter
  note size is called the radius, in pixels, within which pixels are compared; how it stands to the Gaussian's
  note deviation is not documented in what was read.
Sharpen (input mask) lists
  has channels:channels=all minimum:double=0 maximum:double=1 amount:double=1 size:array*2=3
  has filter:enumeration=gaussian quality:double=15 crop:bool=true @mask @mix
  says filter=filter
Soften (input mask) lists
  has channels:channels=all minimum:double=0 maximum:double=1 amount:double=0.5 size:array*2=3
  has filter:enumeration=gaussian quality:double=15 crop:bool=true @mask @mix
  says filter=filter
Crop (input) lists
  has preset:enumeration=format reset:button box:box*4 softness:array*2=0 reformat:bool=false
  has intersect:bool=false crop:bool=true
  says preset=crop
  note box is x, y, right, top; crop is the panel's black outside.
BlackOutside (input) lists
STMap (src stmap mask) content/reference_guide/transform_nodes/stmap.html
  has channels:channels=all uv:channel=none blur:channel=none blur_scale:array*2=1 maskChannel:channel=none
  has invert_mask:bool=false premultiplied:bool=false filter:enumeration=cubic
  says filter=resample
  note src is input 0 and stmap 1, as public scripts connect them. uv names the two channels of stmap that say
  note where a pixel comes from: 0,0 is the lower left corner of src, 1,1 its upper right.
CornerPin2D (input) lists
  has to1:xy*2 enable1:bool=true to2:xy*2 enable2:bool=true to3:xy*2 enable3:bool=true to4:xy*2
  has enable4:bool=true from1:xy*2 from2:xy*2 from3:xy*2 from4:xy*2 transform_matrix:matrix*16
  has invert:bool=false copy_from:button set_to_input:button copy_to:button @resample
  says filter=resample shutteroffset=shutter
  note Corners from the lower left, against the clock.
Transform (input) lists
  has @transform invert_matrix:bool=false @resample
  says skew_order=skew filter=resample shutteroffset=shutter
Reformat (input) lists
  has type:enumeration format:format box_width:double=200 box_height:double=200 box_fixed:bool=false
  has box_pixel_aspect:double=1 resize:enumeration=width center:bool=true flip:bool=false flop:bool=false
  has filter:enumeration=cubic clamp:bool=false black_outside:bool=false pbb:bool=false
  says resize=resize filter=resample
  note Of type's words "to box" was seen. pbb keeps what is outside the format. scale, turn: kinds not found.
FrameHold (input) scripts
  has firstFrame:double first_frame:double increment:double=0
  note first_frame in older scripts, firstFrame in newer ones, Nuke 17's knobs among them.
TimeOffset (input) scripts
  has time_offset:double reverse_input:bool
Tracker4 (input) lists
  has tracks:text transform:enumeration=none reference_frame:double=1 jitter_period:double=10 smoothT:double=0
  has smoothR:double=0 smoothS:double=0 livelink_transform:bool=false @transform @resample
  says transform=tracker skew_order=skew filter=resample shutteroffset=shutter
  note The settings of its tracking tabs are left out.
CopyMetaData (Image Meta) content/reference_guide/metadata_nodes/copymetadata.html
  has mergeMode:enumeration=Image+Meta metadatafilter:string metadatafilterMode:enumeration=keys,and,values
  has imageMetadatafilter:string imageMetadatafilterMode:enumeration=keys,and,values
  says mergeMode=metadata_merge metadatafilterMode=metadata_within imageMetadatafilterMode=metadata_within
  note Image is input 0 and Meta 1, as public scripts connect them. In Image+Meta the keys of Meta win.
ModifyMetaData (input) lists
  has metadata:text
  note A list in braces, one entry a line: `metadata {` then `{set exr/NAME value}`.
Roto (bg) scripts
  has output:channels cliptype:enumeration curves:text
  note cliptype was seen as none. Kinds by how scripts write the values.
RotoPaint (bg) scripts
  has cliptype:enumeration curves:text
  note cliptype was seen as bbox. Kinds by how scripts write the values.
Noise (input mask) lists
  has output:channels=rgba premult:channels=none cliptype:enumeration=format replace:bool=false
  has invert:bool=false opacity:double=1 @mask type:enumeration=fBm size:array*2=350 zoffset:double=0
  has octaves:double=10 nyquist:bool=true lacunarity:double=2 gain:double=0.5 gamma:double=0.5 @transform
  has xrotate:double=30 yrotate:double=30 ramp:enumeration=none color:color*4=1 p1:xy*2 color0:color*4=0
  has p0:xy*2
  says cliptype=clip type=noise ramp=ramp skew_order=skew
Grain2 (input) lists
  has presets:pulldown red_size:array*2=3.3 green_size:array*2=2.9 blue_size:array*2=2.5 red_i:double=0.6
  has green_i:double=0.6 blue_i:double=0.6 red_m:double=0.416 green_m:double=0.46 blue_m:double=0.85
  has black:color*3=0,0,0 minimum:color*3=0,0,0 maskgrain:bool=true
  note Called Grain in the menu. _i is its irregularity, _m its amount. Applied through alpha unless maskgrain
  note is off. There is also seed, whose kind was not found.
Constant () lists
  has channels:channel=rgb color:color*4=0 format:format first:double=1 last:double=1
  note inputs 0.
Inference (Input) content/reference_guide/air_nodes/inference.html
  has modelFile:file gpuName:text useGPUIfAvailable:bool=true inferencePrecision:bool=false
  note inferencePrecision on is 16-bit. The page also has channelsIn and channelsOut, none by default, whose
  note kinds were not found. A model's own attributes become knobs of the node.
CatFileCreator () lists
  has torchScriptFile:file catFile:file channelsIn:string channelsOut:string modelId:string
  has outputScale:array*2=1 createCatFile:button create:button @render
  note Its inputs were not found. Guide:
  note https://learn.foundry.com/nuke/developers/15.0/catfilecreationreferenceguide/introduction.html
""")
