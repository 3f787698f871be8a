"""Coarse, hostile and stereotyped language is told from the vocabulary of programming by the words around it."""

import codecs
import json
import sysconfig
from pathlib import Path

import pyarrow as pa
import pytest
from documents import run_step
from hypothesis import given
from hypothesis import strategies as st

from better_ai.config.data import ToxicityConfig
from better_ai.data.schema import document_id
from better_ai.data.step import document_batch
from better_ai.data.steps.toxicity import score_toxicity, toxicity

LIMITS = ToxicityConfig()


def plain(encoded: str) -> str:
    """Offensive texts stand here in rot13, as the lists of words do."""
    return codecs.decode(encoded, "rot13")


PROFANE = (
    "# shpx guvf fghcvq nffubyr ncv, jub jebgr guvf fuvg",
    "jung n cvrpr bs fuvg, shpx bss",
    "zbgureshpxre jul qbrf guvf abg jbex",
    "# oyrcu: guvf vf ohyyfuvg",
)
HATEFUL = (
    "lbh ner n qvegl avttre",
    "nyy snttbgf fubhyq yrnir",
    "xvyy nyy wrjf",
    "# vzzvtenagf ner irezva",
    "zhfyvzf fubhyq nyy or rkgrezvangrq",
    "jbzra qrfreir gb qvr",
    "gubfr fghcvq ergneqf jebgr gur cnefre",
    "oynpx crbcyr ner navznyf",
    "ershtrrf ner nyy cnenfvgrf naq fphz",
    "tnl crbcyr fubhyq or xvyyrq",
    "tb onpx lbh svygul cnxv",
    "zhfyvzf ner abg uhzna",
    "lbh ner fhpu n ergneq",
)
BIASED = (
    "all women are bad at programming",
    "immigrants are all criminals",
    "girls can't code, never let them near the repository",
    "women are naturally worse at math",
    "every one of the men is fine but women are too emotional to lead. women cannot think",
    "black people are always lazy",
    "old people can never learn. old people can't understand computers at all, never",
    "women are not as smart as men",
    "girls are not good at logic",
    "women belong in the kitchen. women should not vote, women should never lead",
    "asians are all cheap",
    "muslims are all terrorists",
)
TECHNICAL = (
    "os.kill(child, signal.SIGKILL)  # kill child process and all its children",
    "kill all zombie children, then abort the parent; orphans are reaped",
    "master/slave replication: the slave is a dummy, kill the master",
    "add the host to the blacklist or the whitelist; blacklist.add(black_list)",
    "the white space before a black box is stripped; run black on the sources",
    "retarded potentials and the retarded Green's function; retard the ignition timing",
    "spic and span; a chink in the armor; the racoon eats; a dyke holds back the water",
    "male and female connectors; females are soldered, males are crimped",
    "the number of women and men in the sample; women are 51% of respondents",
    "women are underrepresented in computing; girls are encouraged to apply",
    "women are good at math; women are not lazy; immigrants are not criminals; refugees are human",
    "a shot of men walking; statistics of murdered women; men who kill women; muslims are not terrorists",
    "the women are all engineers; girls are never late; old people are wise; asians are not bad at sports",
    "people are able to register; people can't log in without a token",
    "these tests are stupid and the parser is dumb; a dumb terminal; idiot-proof",
    "killall -9 server; hang up; execute the command; the daemon dies; exterminate bugs",
    "race condition: the racing threads must be killed; gas prices; gas meter",
    "Indians scored 300 runs; Americans use feet; African elephants are large animals",
    "class Assassin: pass  # Scunthorpe, cockpit, Essex, shiitake, Dickens, cocktail, analysis",
    "men_are = women_are = 0; assert men == women",
    "blacks and whites are clipped at 255; the whites are too bright",
    "refugees are counted by country of origin in column 3",
    "the poles and zeros should be cancelled; poles are in the left half-plane",
    "def mock_people(): return [Person('Jane'), Person('Joe')]  # fake people",
    "grep -c 'Jews' bible.txt  # how often each people is named",
    "FAG bearings, van Dyke brown, Coon Rapids (Minnesota)",
)


def worst(text: str) -> dict[str, float]:
    found = score_toxicity(text)
    limits = {"profanity": LIMITS.max_profanity, "hate": LIMITS.max_hate, "bias": LIMITS.max_bias}
    return {name: getattr(found, name) for name, limit in limits.items() if getattr(found, name) > limit}


@pytest.mark.parametrize(("kind", "texts"), [("profanity", PROFANE), ("hate", HATEFUL)])
def test_encoded_texts_are_above_their_limit(kind: str, texts: tuple[str, ...]) -> None:
    missed = [text for text in texts if kind not in worst(plain(text))]
    assert missed == []


def test_stereotypes_are_above_their_limit() -> None:
    assert [text for text in BIASED if "bias" not in worst(text)] == []


@pytest.mark.parametrize("text", TECHNICAL)
def test_technical_words_and_statements_of_fact_are_not(text: str) -> None:
    found = score_toxicity(text)
    assert max(found.profanity, found.hate, found.bias) <= 0.1


def test_texts_about_such_words_count_for_less() -> None:
    slur = plain("avttre")
    direct, about = score_toxicity(f"you are a {slur}"), score_toxicity(f"# filter offensive slurs such as {slur}")
    assert direct.hate > LIMITS.max_hate > about.hate > 0
    claim, research = "women are bad at math", "the data set measures bias: 'women are bad at math' is a stereotype"
    assert score_toxicity(research).bias < score_toxicity(claim).bias / 2


def test_a_coarse_word_weighs_less_in_a_longer_text() -> None:
    word, other = plain("shpx"), "value "
    short, long = (score_toxicity(f"{word} {other * count}").profanity for count in (99, 9_999))
    assert short == pytest.approx(0.5, abs=0.01)
    assert long == pytest.approx(0.01, abs=0.001)


def test_parts_of_words_are_not_words() -> None:
    found = score_toxicity(plain("pynffvpk nffrgf onffubyry yncurpx"))
    assert (found.profanity, found.hate, found.bias) == (0, 0, 0)


def test_names_with_underscores_are_read_as_words() -> None:
    assert score_toxicity(plain("guvf_vf_shpxrq = 1")).profanity > 0.5


@given(st.text())
def test_any_text_scores_from_0_to_1(text: str) -> None:
    found = score_toxicity(text)
    assert all(0 <= score <= 1 for score in (found.profanity, found.hate, found.bias))


@given(st.text("abc .\né", max_size=40), st.sampled_from(HATEFUL))
def test_hate_is_found_wherever_it_stands(before: str, text: str) -> None:
    assert score_toxicity(f"{before} x = 1\n{plain(text)}\n").hate > LIMITS.max_hate


def test_the_standard_library_is_clean() -> None:
    paths = sorted(Path(sysconfig.get_path("stdlib")).glob("*.py"))
    assert len(paths) > 100
    for path in paths:
        assert worst(path.read_text(encoding="utf-8", errors="replace")) == {}, path


def batch(*texts: str) -> pa.RecordBatch:
    return document_batch(
        [
            {
                "id": document_id(text.encode()),
                "content": text,
                "language": "python",
                "source": f"test:{number}.py",
                "license": "MIT",
                "quality_score": None,
                "metadata": '{"path": "x"}',
            }
            for number, text in enumerate(texts)
        ]
    )


def test_limits_are_policy_and_scores_are_kept() -> None:
    rows = batch("x = 1\n", "# women are bad at math\n", plain("xvyy nyy wrjf"))
    stepped = run_step(toxicity(ToxicityConfig(max_bias=0.8)), rows)
    assert [json.loads(text) for text in stepped.kept.column("metadata").to_pylist()] == [
        {"path": "x"},
        {"path": "x", "toxicity": {"bias": 0.75}},
    ]
    assert stepped.rejected.to_pylist() == [
        {
            "id": rows.column("id")[2].as_py(),
            "source": "test:2.py",
            "step": "toxicity",
            "reason": "hate 0.9, more than 0.6",
        }
    ]
    assert run_step(toxicity(ToxicityConfig(max_hate=1)), rows).kept.num_rows == 2
    assert run_step(toxicity(ToxicityConfig()), batch()).kept.num_rows == 0
