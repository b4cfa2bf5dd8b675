"""The Universal Category System of sound libraries: file names, and what CatIDs stand for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache, lru_cache

_CATEGORY = re.compile(r"(?P<id>[A-Z]{2,6}(?:[a-z][A-Za-z]{0,6})?)(?:-(?P<user>[^_]+))?")
_PREFIX = re.compile(r"([A-Z]+)[A-Z][a-z]")
_NEEDED_PARTS = 4  # user data is the fifth and may hold further underscores


def ucs_from_name(name: str) -> dict[str, str]:
    """The parts of a UCS file name, keyed `ucs.category_id`, `ucs.fx_name` ...; {} for others.

    The form (https://universalcategorysystem.com) is

        CatID[-UserCategory]_FXName_CreatorID_SourceID[_UserData].wav
        DOORWood-Int_Creaky Old Door_ABC_LIB1_Take 3.wav

    A name that begins with a CatID of the list need not be complete. CatIDs outside the list
    (newer ones, a studio's own) are known by their shape, in complete names only; words of
    capitals alone (RAIN, TEST), which any name may begin with, likewise.
    """
    stem = name.rpartition(".")[0] or name
    parts = stem.split("_", _NEEDED_PARTS)
    head = _CATEGORY.fullmatch(parts[0])
    if head is None:
        return {}
    complete = len(parts) >= _NEEDED_PARTS and all(parts[1:_NEEDED_PARTS])
    listed = head["id"] in subcategories()
    known = (listed and complete) if head["id"].isupper() else (listed or complete)
    if not known:
        return {}
    category, subcategory = ucs_names(head["id"])
    parts += [""] * (_NEEDED_PARTS + 1 - len(parts))
    found = {
        "ucs.category_id": head["id"],
        "ucs.category": category,
        "ucs.subcategory": subcategory,
        "ucs.user_category": head["user"] or "",
        "ucs.fx_name": parts[1],
        "ucs.creator_id": parts[2],
        "ucs.source_id": parts[3],
        "ucs.user_data": parts[4],
    }
    return {key: value for key, value in found.items() if value}


def in_its_case(category_id: str) -> str:
    """A CatID as the list has it, whatever case a field has it in; others as they are.

    Those of capitals alone (RAIN) are words in any other case.
    """
    return _listed_ids().get(category_id.lower(), category_id)


@lru_cache(maxsize=1)
def _listed_ids() -> dict[str, str]:
    return {each.lower(): each for each in subcategories() if not each.isupper()}


def ucs_names(category_id: str) -> tuple[str, str]:
    """Category and subcategory that a CatID stands for, "" for what is not known of it."""
    listed = subcategories().get(category_id)
    if listed is not None:
        return listed
    prefix = _PREFIX.match(category_id)
    return (categories().get(prefix[1], "") if prefix else "", "")


_MATERIAL = "Brk BREAK,Crsh CRASH & DEBRIS,Fric FRICTION,Impt IMPACT,Misc MISC,Mvmt MOVEMENT"

_LIST = f"""
AIR|AIR|Blow BLOW,Brst BURST,Hiss HISS,Misc MISC,Suck SUCTION
AERO|AIRCRAFT|Heli HELICOPTER,Int INTERIOR,Jet JET,Mech MECHANISM,Mil MILITARY,Misc MISC,Prop PROP,Radio RADIO CONTROLLED,Rckt ROCKET
ALRM|ALARMS|Bell BELL,Buzr BUZZER,Clok CLOCK,Elec ELECTRONIC,Misc MISC,Sirn SIREN
AMB|AMBIENCE|Air AIR,Alpn ALPINE,Amus AMUSEMENT,Bird BIRDSONG,Cele CELEBRATION,Cnst CONSTRUCTION,Dsrt DESERT,Dsgn DESIGNED,Emrg EMERGENCY,Farm FARM,Forst FOREST,Gras GRASSLAND,Hist HISTORICAL,Tech HITECH,Hosp HOSPITAL,Ind INDUSTRIAL,Lake LAKESIDE,Mrkt MARKET,Misc MISC,Naut NAUTICAL,Offc OFFICE,Park PARK,Prisn PRISON,Prtst PROTEST,Publ PUBLIC PLACE,Rlgn RELIGIOUS,Rest RESTAURANT & BAR,Room ROOM TONE,Rurl RURAL,Schl SCHOOL,Sea SEASIDE,Sprt SPORT,Subn SUBURBAN,Swmp SWAMP,Traf TRAFFIC,Tran TRANSPORTATION,Tndra TUNDRA,Undr UNDERGROUND,Undwtr UNDERWATER,Urbn URBAN,War WARFARE
ANML|ANIMALS|Amph AMPHIBIAN,Aqua AQUATIC,Bat BAT,Cat CAT DOMESTIC,Wcat CAT WILD,Dog DOG,Farm FARM,Hors HORSE,Insc INSECT,Misc MISC,Prim PRIMATE,Rept REPTILE,Rdnt RODENT,Wild WILD
BEEP|BEEPS|Appl APPLIANCE, GENERAL,Lofi LOFI,Med MEDICAL,Timer TIMER,Veh VEHICLE
BELL|BELLS|Anml ANIMAL,Door DOORBELL,Gong GONG,Hand HANDBELL,Lrg LARGE,Misc MISC
BIRD|BIRDS|Prey BIRD OF PREY,Crow CROW,Fowl FOWL,Misc MISC,Sea SEA,Song SONGBIRD,Trop TROPICAL,Wade WADING
BOAT|BOATS|Air AIR BOAT,Wash BOW WASH,Elec ELECTRIC,Fish FISHING,Horn HORN,Int INTERIOR,Mech MECHANISM,Mil MILITARY,Misc MISC,Motr MOTORBOAT,Race RACING,Row ROWBOAT,Sail SAILBOAT,Ship SHIP,Stm STEAM,Sub SUBMARINE
BLLT|BULLETS|By BY,Impt IMPACT,Misc MISC,Rico RICOCHET,Shel SHELL
TOON|CARTOON|Boing BOING,Clang CLANG,Creak CREAK,Horn HORN,Impt IMPACT,Misc MISC,Mx MUSICAL,Pluk PLUCK,Pop POP,Shake SHAKE,Splt SPLAT,Sqk SQUEAK,Strch STRETCH,Swsh SWISH,Twang TWANG,Warb WARBLE,Whis WHISTLE,Zip ZIP
CERM|CERAMICS|{_MATERIAL},Tonl TONAL
CHAIN|CHAINS|Brk BREAK,Impt IMPACT,Misc MISC,Mvmt MOVEMENT
CHEM|CHEMICALS|Acid ACID,Misc MISC,Reac REACTION
CLOCK|CLOCKS|Chim CHIME,Mech MECHANICS,Misc MISC,Tick TICK
CLOTH|CLOTH|Flp FLAP,Misc MISC,Mvmt MOVEMENT,Rip RIP
COM|COMMUNICATIONS|Av AUDIO VISUAL,Cam CAMERA,Cell CELLPHONE,Mic MICROPHONE,Misc MISC,Phono PHONOGRAPH,Radio RADIO,Static STATIC,Telm TELEMETRY,Telph TELEPHONE,Tv TELEVISION,Tran TRANSCEIVER,Type TYPEWRITER
CMPT|COMPUTERS|Driv HARD DRIVE,Key KEYBOARD & MOUSE,Misc MISC
CREA|CREATURES|Aqua AQUATIC,Avian AVIAN,Beast BEAST,Blob BLOB,Dino DINOSAUR,Drgn DRAGON,Elem ELEMENTAL,Ethr ETHEREAL,Hmn HUMANOID,Insc INSECTOID,Misc MISC,Mnstr MONSTER,Rept REPTILIAN,Small SMALL,Srce SOURCE
CRWD|CROWDS|Angr ANGRY,Apls APPLAUSE,Batl BATTLE,Cele CELEBRATION,Cheer CHEERING,Chld CHILDREN,Conv CONVERSATION,Laff LAUGHTER,Loop LOOP GROUP,Misc MISC,Panic PANIC,Quiet QUIET,Reac REACTION,Sing SINGING,Sprt SPORT,Walla WALLA
DSGN|DESIGNED|Bass BASS DIVE,Boom BOOM,Bram BRAAM,Dist DISTORTION,Dron DRONE,Erie EERIE,Misc MISC,Rise RISER,Rmbl RUMBLE,Srce SOURCE,Stngr STINGER,Synth SYNTHETIC,Tonl TONAL,Vocl VOCAL
DESTR|DESTRUCTION|Clpse COLLAPSE,Crsh CRASH & DEBRIS,Misc MISC
DIRT|DIRT & SAND|Crsh CRASH & DEBRIS,Dust DUST,Impt IMPACT,Misc MISC,Mvmt MOVEMENT
DOOR|DOORS|Antq ANTIQUE,Appl APPLIANCE,Cab CABINET,Creak CREAK,Dungn DUNGEON,Elec ELECTRIC,Gate GATE,Glas GLASS,Hdwr HARDWARE,Tech HITECH,Hydr HYDRAULIC & PNEUMATIC,Knck KNOCK,Metl METAL,Misc MISC,Plas PLASTIC,Prisn PRISON,Revl REVOLVING,Slid SLIDING,Ston STONE,Swng SWINGING,Wood WOOD
DRWR|DRAWERS|Metl METAL,Misc MISC,Plas PLASTIC,Wood WOOD
ELEC|ELECTRICITY|Arc ARC,Buzz BUZZ & HUM,Emf ELECTROMAGNETIC,Misc MISC,Sprk SPARKS,Zap ZAP
EQUIP|EQUIPMENT|Bridle BRIDLE & TACK,Tech HITECH,Misc MISC,Rec RECREATIONAL,Sprt SPORT,Tact TACTICAL
EXPL|EXPLOSIONS|Dsgn DESIGNED,Misc MISC,Real REAL
FART|FARTS|Dsgn DESIGNED,Misc MISC,Real REAL
FGHT|FIGHT|Bf BODYFALL,Clth CLOTH,Grab GRAB,Impt IMPACT,Misc MISC
FIRE|FIRE|Burn BURNING,Brst BURST,Crkl CRACKLE,Gas GAS,Ign IGNITE,Misc MISC,Sizz SIZZLE,Trch TORCH,Whsh WHOOSH
FRWK|FIREWORKS|Comr COMMERCIAL,Misc MISC,Rec RECREATIONAL
FOLY|FOLEY|Clth CLOTH,Feet FEET,Hand HANDS,Misc MISC,Prop PROP
FOOD|FOOD & DRINK|Cook COOKING,Drnk DRINKING,Eat EATING,Gware GLASSWARE,Ingr INGREDIENTS,Kware KITCHENWARE,Misc MISC,Tware TABLEWARE
FEET|FOOTSTEPS|Anml ANIMAL,Crea CREATURE,Hors HORSE,Hmn HUMAN,Misc MISC
GAME|GAMES|Arcd ARCADE,Board BOARD,Cas CASINO,Misc MISC,Video VIDEO
GEO|GEOTHERMAL|Fuma FUMAROLE,Geyser GEYSER,Lava LAVA,Misc MISC,Mudpot MUD POTS
GLAS|GLASS|{_MATERIAL},Tonl TONAL
GORE|GORE|Burn BURN,Flsh FLESH,Misc MISC,Ooze OOZE,Srce SOURCE,Splt SPLAT,Sqsh SQUISH,Stab STAB
GUN|GUNS|Antq ANTIQUE,Artl ARTILLERY,Auto AUTOMATIC,Cano CANNON,Hndl HANDLE,Tech HITECH,Mech MECHANISM,Misc MISC,Pis PISTOL,Rif RIFLE,Shotg SHOTGUN,Supr SUPPRESSED
HORN|HORNS|Air AIR POWERED,Cele CELEBRATION,Misc MISC,Trad TRADITIONAL
HMN|HUMAN|Brth BREATH,Burp BURP,Cough COUGH,Hart HEARTBEAT,Kiss KISS,Misc MISC,Sneez SNEEZE,Snor SNORE,Spit SPIT
ICE|ICE|{_MATERIAL},Tonl TONAL
LASR|LASERS|Gun GUN,Impt IMPACT,Misc MISC
LETHR|LEATHER|Creak CREAK,Impt IMPACT,Misc MISC,Mvmt MOVEMENT
LIQ|LIQUID & MUD|Bubl BUBBLES,Impt IMPACT,Misc MISC,Mvmt MOVEMENT,Suct SUCTION
MACH|MACHINES|Amus AMUSEMENT,Antq ANTIQUE,Appl APPLIANCE,Cnst CONSTRUCTION,Elev ELEVATOR,Escl ESCALATOR,Fan FAN,Tech HITECH,Hvac HVAC,Ind INDUSTRIAL,Mech MECHANISM,Med MEDICAL,Misc MISC,Offi OFFICE,Pump PUMP
MAG|MAGIC|Angl ANGELIC,Elem ELEMENTAL,Evil EVIL,Misc MISC,Poof POOF,Shim SHIMMER,Spel SPELL
MECH|MECHANICAL|Clik CLICK,Gear GEARS,Hydr HYDRAULIC & PNEUMATIC,Ltch LATCH,Lvr LEVER,Lock LOCK,Misc MISC,Puly PULLEY,Rtch RATCHET,Relay RELAY,Rolr ROLLER,Swtch SWITCH
METL|METAL|{_MATERIAL},Tonl TONAL
MOTR|MOTORS|Antq ANTIQUE,Comb COMBUSTION,Elec ELECTRIC,Misc MISC,Srvo SERVO,Turb TURBINE
MOVE|MOVEMENT|Actv ACTIVITY,Anml ANIMAL,Crea CREATURE,Crwd CROWD,Insc INSECT,Misc MISC,Pres PRESENCE
MUSC|MUSICAL|Brass BRASS,Chim CHIME,Chor CHORAL,Inst INSTRUMENT,Loop LOOP,Misc MISC,Perc PERCUSSION,Smpl SAMPLE,Song SONG & PHRASE,Stngr STINGER,Str STRINGED,Toy TOY,Wind WOODWIND
NATD|NATURAL DISASTER|Aval AVALANCHE,Quak EARTHQUAKE,Misc MISC,Torn TORNADO,Tsun TSUNAMI,Thyp TYPHOON,Volc VOLCANO
OBJ|OBJECTS|Bag BAG,Book BOOK,Coin COIN,Cont CONTAINER,Furn FURNITURE,Hsehld HOUSEHOLD,Jewl JEWELRY,Key KEYS,Lug LUGGAGE,Med MEDICAL,Misc MISC,Pack PACKAGING,Tape TAPE,Umbr UMBRELLA,Whled WHEELED,Write WRITING,Zipr ZIPPER
PAPR|PAPER|Fltr FLUTTER,Fric FRICTION,Hndl HANDLE,Impt IMPACT,Misc MISC,Rip RIP,Tonl TONAL
PLAS|PLASTIC|{_MATERIAL}
RAIN|RAIN|Clth CLOTH,Conc CONCRETE, GENERAL,Glas GLASS,Metl METAL,Plas PLASTIC,Vege VEGETATION,Watr WATER,Wood WOOD
ROBT|ROBOTS|Misc MISC,Mvmt MOVEMENT,Vox VOCAL
ROCK|ROCKS|{_MATERIAL},Tonl TONAL
ROPE|ROPE|Creak CREAK,Misc MISC,Mvmt MOVEMENT
RUBR|RUBBER|Crsh CRASH & DEBRIS,Fric FRICTION,Impt IMPACT,Misc MISC,Mvmt MOVEMENT
SCI|SCIFI|Alrm ALARM,Cmpt COMPUTER,Door DOOR,Enrg ENERGY,Mach MACHINE,Mech MECHANISM,Misc MISC,Retro RETRO,Ship SPACESHIP,Veh VEHICLE,Weap WEAPON
SNOW|SNOW|Crsh CRASH & DEBRIS,Fric FRICTION,Impt IMPACT,Misc MISC,Mvmt MOVEMENT
SPRT|SPORTS|Court COURT,Field FIELD,Gym GYM,Indor INDOOR,Misc MISC,Skate SKATE,Trck TRACK & FIELD,Watr WATER,Wntr WINTER
SWSH|SWOOSHES| SWISH
WHSH|SWOOSHES| WHOOSH
TOOL|TOOLS|Hand HAND,Misc MISC,Pneu PNEUMATIC,Powr POWER
TOY|TOYS|Elec ELECTRONIC,Mech MECHANICAL,Misc MISC
TRN|TRAINS|Brake BRAKE,Clak CLACK,Diesl DIESEL,Elec ELECTRIC,Hspd HIGH SPEED,Horn HORN,Int INTERIOR,Mech MECHANISM,Misc MISC,Steam STEAM,Sbwy SUBWAY,Tram TRAM
UI|USER INTERFACE|Alert ALERT,Beep BEEP,Click CLICK,Data DATA,Glitch GLITCH,Misc MISC,Mvmt MOTION
VEGE|VEGETATION|Gras GRASS,Leaf LEAVES,Misc MISC,Tree TREE
VEH|VEHICLES|Alrm ALARM,Antq ANTIQUE,Atv ATV,Bike BICYCLE,Brake BRAKE,Bus BUS,Car CAR,Cnst CONSTRUCTION,Door DOOR,Elec ELECTRIC,Farm FARM,Frght FREIGHT,By GENERIC BY,Horn HORN,Int INTERIOR,Jalop JALOPY,Mech MECHANISM,Mil MILITARY,Misc MISC,Moto MOTORCYCLE,Race RACING,Sirn SIREN,Skid SKID,Susp SUSPENSION,Tire TIRE,Truck TRUCK VAN & SUV,Util UTILITY,Wagn WAGON,Wndw WINDOW
VOX|VOICES|Alien ALIEN,Baby BABY,Cheer CHEER,Chld CHILD,Cry CRYING,Efrt EFFORTS,Fem FEMALE,Futz FUTZED,Hist HISTORICAL,Laff LAUGH,Male MALE,Misc MISC,Reac REACTION,Scrm SCREAM,Sing SINGING
WATR|WATER|Bubl BUBBLES,Dran DRAIN,Drip DRIP,Flow FLOW,Foun FOUNTAIN,Impt IMPACT,Lap LAP,Misc MISC,Mvmt MOVEMENT,Plmb PLUMBING,Splsh SPLASH,Spray SPRAY,Stm STEAM,Surf SURF,Turb TURBULENT,Fall WATERFALL,Wave WAVE
WEAP|WEAPONS|Armr ARMOR,Arro ARROW,Blnt BLUNT,Bow BOW,Knif KNIFE,Misc MISC,Pole POLEARM,Siege SIEGE,Swrd SWORD,Whip WHIP
HAIL|WEATHER| HAIL
WTHR|WEATHER| MISC
STORM|WEATHER| STORM
THUN|WEATHER| THUNDER
WHST|WHISTLES|Hmn HUMAN,Mech MECHANICAL,Misc MISC
WIND|WIND|Dsgn DESIGNED, GENERAL,Gust GUST,Int INTERIOR,Tonl TONAL,Vege VEGETATION
WNDW|WINDOWS|Cover COVERING,Hdwr HARDWARE,Knck KNOCK,Metl METAL,Misc MISC,Plas PLASTIC,Wood WOOD
WING|WINGS|Bird BIRD,Crea CREATURE,Insc INSECT,Misc MISC
WOOD|WOOD|{_MATERIAL},Tonl TONAL
ASSET|ARCHIVED| ASSET
BNCE|ARCHIVED| BOUNCE
IR|ARCHIVED| IMPULSE RESPONSE
MIX|ARCHIVED| MIX
PFX|ARCHIVED| PFX
RAW|ARCHIVED| RAW
REF|ARCHIVED| REFERENCE
SCNE|ARCHIVED| SCENE
TEST|ARCHIVED| TEST TONE
TMARK|ARCHIVED| TRADEMARKED
WIP|ARCHIVED| WORK IN PROGRESS
WTF|ARCHIVED| WTF
"""  # noqa: E501


@cache
def subcategories() -> Mapping[str, tuple[str, str]]:
    """Category and subcategory by CatID, as the list spells them: DOORWood -> DOORS, WOOD."""
    found: dict[str, tuple[str, str]] = {}
    for line in _LIST.split("\n")[1:-1]:
        prefix, category, members = line.split("|")
        for member in members.split(","):
            suffix, _, name = member.partition(" ")
            found[prefix + suffix] = (category, name)
    return found


@cache
def categories() -> Mapping[str, str]:
    """Category by what its CatIDs begin with: DOOR -> DOORS."""
    return dict(line.split("|")[:2] for line in _LIST.split("\n")[1:-1])
