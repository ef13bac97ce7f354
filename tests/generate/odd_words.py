"""Annotations unlike those of COCO: odd labels, plain captions, odd answers. Read in docs/reading.md."""

from __future__ import annotations

from random import Random

from vlit.data.boxes import Box
from vlit.data.scene import Answer, Caption, Image, Object, Question, Scene

LABELS = (
    "kitchen_bottle",
    "TrafficCone",
    "person on bicycle",
    "mangoes",
    "fire-extinguisher",
    "scissors",
    "jeans",
    "SUV",
    "luggage",
    "aircraft",
    "Dog",
    "no parking sign",
    "glasses",
    "deer",
    "news",
    "trees",
    "police_officer",
    "hair",
    "cutting board",
    "series",
    "potatoes",
    "MRI scanner",
    "X-ray machine",
    "hourglass",
    "umbrella stand",
    "men",
    "mother-in-law",
    "e-scooter",
    "lane marking",
    "species",
    "pair of shoes",
    "cup of coffee",
    "ATM",
    "wheel (car)",
    "rider",
    "sky",
    "broccoli",
    "cactus",
    "children",
    "bus_stop",
    "head_phones",
    "T-shirt",
    "chess",
    "moose",
    "leaves",
    "attorney general",
    "unicycle",
    "wheelchair user",
    "street light",
    "headphones",
    "stairs",
    "electronics",
    "tennis shoes",
    "ice cream",
    "two-wheeler",
    "person_sitting",
    "Ball",
    "cargo pants",
    "gas",
    "bison",
    "traffic sign",
)

CAPTIONS = (
    (
        "A family sits around a long table with a birthday cake.",
        "Four adults wait for cake; a black dog watches from the floor",
        "people at dinner",
    ),
    (
        "The mayor cuts a ribbon while a crowd looks on.",
        "Two kids in helmets hold the ribbon.",
        "Ribbon-cutting ceremony outside a shop called Johnny's",
    ),
    (
        "Wild horses graze below a misty mountain.",
        "Horses, some lying down, on a green hillside.",
        "HORSES IN THE MOUNTAINS",
    ),
    (
        "My desk at work, late at night.",
        "A laptop and a bright lamp on an empty desk.",
        "A curved lamp lights up the desk.",
    ),
    (
        "A touring bike leans against a sign at Ardnamurchan Point.",
        "The traffic light is red.",
        "bike + sign + traffic light",
    ),
    (
        "A computer-generated diner with oversized food.",
        "Cartoon burgers on a table.",
        "This picture is a rendering of a cafe",
    ),
    (
        "Two slices of pizza, a novel and a glass of water.",
        "Dinner and a good book.",
        "a pizza",
    ),
    (
        "Buses and planes at Bangkok airport.",
        "Several buses are parked in front of a Thai Airways jet.",
        "Airport apron with buses",
    ),
    (
        "A seagull glides over the beach.",
        "The gull's wings are spread wide.",
        "seagull flying",
    ),
    (
        "A skateboarder carves the edge of an empty pool.",
        "Skaters watch a young man drop into the bowl.",
        "skateboarding!!",
    ),
    (
        "Closed parasols stand between empty tables at sunset.",
        "Nobody is sitting at the tables.",
        "Beach bar, closed",
    ),
    (
        "A motorcyclist rides toward us out of the fog.",
        "There is a single headlight shining.",
        "A biker in fog.",
    ),
    (
        "Guests chat at a long banquet table.",
        "It's a formal dinner with lots of wine glasses.",
        "The waiter stands at the far end of the room.",
    ),
    (
        "A toddler examines a flip phone.",
        "The baby's shoes are pink.",
        "kid with phone",
    ),
    (
        "The player tosses the ball up to serve.",
        "Spectators fill the stands behind the clay court.",
        "Tennis.",
    ),
    (
        "Lego figures bake cupcakes in a toy kitchen.",
        "A chalkboard hangs behind the table.",
        "lego kitchen",
    ),
    (
        "A white stove stands in the corner of a dim kitchen.",
        "The back door is open.",
        "old kitchen",
    ),
    (
        "A white cat and a green parakeet eat side by side.",
        "The budgie perches on its bowl.",
        "cat & bird",
    ),
    (
        "A lifeboat crew poses in their boat.",
        "An old black-and-white photo of a lifeboat on wheels.",
        "The men wear life jackets.",
    ),
    (
        "The table is laid for a big brunch.",
        "Napkins are folded on every plate.",
        "lots of dishes",
    ),
    (
        "Lunch at the keyboard: a grilled cheese sandwich, chips and a soda.",
        "A sandwich sits in a paper box.",
        "lunch",
    ),
    (
        "Two riders walk their horses along the shore.",
        "Waves break behind the riders.",
        "horses on beach",
    ),
    (
        "A stone bench overlooks the valley.",
        "A wooden pergola shades the path.",
        "bench and bushes",
    ),
    (
        "A black bear sits among vultures.",
        "Five vultures stand around a bear.",
        "The bear doesn't seem to mind the birds.",
    ),
)

QUESTIONS = (
    ("What is the woman holding?", "wine glass"),
    ("What is in the bowl?", "apples and oranges"),
    ("How many chairs are there?", "12"),
    ("How many people are wearing hats?", "1"),
    ("Is the man smiling?", "yes"),
    ("Are the lights on?", "no"),
    ("What color are the man's shoes?", "black and white"),
    ("What color is the bus?", "red"),
    ("Where is the dog?", "on the left"),
    ("Where is the cat sitting?", "on the couch"),
    ("What is the name of the restaurant?", "olive garden"),
    ("What city is this?", "new york"),
    ("What sport is being played?", "tennis"),
    ("What animals are these?", "giraffes"),
    ("What is the man doing?", "riding a skateboard"),
    ("What is on the table?", "a laptop"),
    ("Which hand holds the phone?", "right"),
    ("What time is it?", "10:35"),
    ("What number is on the shirt?", "23"),
    ("Who is in the picture?", "man and woman"),
    ("Is this a bathroom or a kitchen?", "kitchen"),
    ("Does the dog have a collar?", "yes"),
    ("Can you see the sky?", "no"),
    ("Do the people look happy?", "yes"),
    ("What is the weather like?", "cloudy"),
    ("Why is the man wearing a helmet?", "safety"),
    ("How old is the boy?", "5"),
    ("How tall is the building?", "tall"),
    ("What does the sign say?", "stop"),
    ("What brand is the laptop?", "dell"),
    ("Was this photo taken at night?", "yes"),
    ("Has the pizza been eaten?", "no"),
    ("Are there any clouds in the sky?", "yes"),
    ("Is there a clock on the wall?", "no"),
    ("Is the umbrella open?", "yes"),
    ("Are these people related?", "yes"),
    ("Is it sunny?", "yes"),
    ("What is the floor made of?", "tile"),
    ("What are the benches made of?", "wood"),
    ("How many zebras are there in the picture?", "3"),
    ("how many dogs are in this photo", "2"),
    ("How many giraffes can be seen?", "2"),
    ("Is anyone swimming?", "no"),
    ("Is this person surfing?", "yes"),
    ("Are the bananas ripe or unripe?", "ripe"),
    ("Is the cat black or white?", "black"),
    ("What kind of bird is this?", "an owl"),
    ("What's the man wearing?", "a suit"),
    ("Would you eat this?", "yes"),
    ("Should the child be wearing a helmet?", "yes"),
    ("What room is this?", "living room"),
    ("Which animal is larger?", "the one on the left"),
    ("What's for dessert?", "cake"),
    ("Is the train moving or stopped?", "stopped"),
    ("Will the man catch the frisbee?", "yes"),
    ("Did it rain?", "no"),
    ("Could this be a zoo?", "yes"),
    ("Is the woman's hair long?", "yes"),
    ("Are his shoes tied?", "no"),
    ("Is he wearing glasses?", "no"),
    ("What letter is on the sign?", "a"),
    ("What country's flag is shown?", "usa"),
    ("What material is the couch?", "leather"),
    ("How many lights are on the bus?", "2"),
    ("How many of the men are wearing ties?", "2"),
    ("What are they?", "sheep"),
    ("What is he riding?", "motorcycle"),
    ("Is this in color?", "no"),
    ("What color is the person's hair?", "brown"),
    ("What colors are the flowers?", "red and yellow"),
    ("What color is the sky", "blue"),
    ("Is the plane in the air", "yes"),
    ("How fast is the train going?", "fast"),
    ("How is the weather?", "sunny"),
    ("Who's on the phone?", "woman"),
)


def labelled() -> list[Scene]:
    """Scenes with five odd labels each, one to four boxes a label; the boxes are at random places."""
    rng = Random(3)
    scenes = []
    for n in range(24):
        objects = []
        for label in rng.sample(LABELS, 5):
            for _ in range(rng.choice((1, 1, 2, 3, 4))):
                w, h = rng.uniform(30, 110), rng.uniform(20, 80)
                x, y = rng.uniform(0, 380 - w), rng.uniform(0, 280 - h)
                objects.append(Object(id=f"o{len(objects)}", label=label, box=Box(x, y, x + w, y + h)))
        scenes.append(_scene("labels", n, objects=tuple(objects), searched=LABELS))
    return scenes


def captioned() -> list[Scene]:
    """Scenes with three captions each and nothing else."""
    return [
        _scene("captions", n, captions=tuple(Caption(id=f"c{i}", text=text) for i, text in enumerate(texts)))
        for n, texts in enumerate(CAPTIONS)
    ]


def asked() -> list[Scene]:
    """Scenes with three or four questions each, which nine of ten people answered alike."""
    found: list[list[Question]] = [[] for _ in range(24)]
    for n, (text, answer) in enumerate(QUESTIONS):
        answers = (Answer(text=answer, count=9), Answer(text="unsure", count=1))
        found[n % 24].append(Question(id=f"q{n}", text=text, answers=answers))
    return [_scene("questions", n, questions=tuple(questions)) for n, questions in enumerate(found)]


def _scene(source: str, n: int, **fields: object) -> Scene:
    image = Image(uri=f"/photos/{n}.jpg", width=384, height=288)
    return Scene(id=f"{source}:{n}", image=image, source=source, licence="CC0", **fields)  # type: ignore[arg-type]
