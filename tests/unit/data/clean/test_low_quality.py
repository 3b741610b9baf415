"""Which texts carry nothing, by rule; and, as important, which stay."""

import json
import random
from types import SimpleNamespace

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.data import columns, rules
from toolkit.data.clean import low_quality
from toolkit.data.clean import rows as row_module
from toolkit.data.rules.measures import block, squeeze
from toolkit.data.text import is_cjk
from toolkit.errors import ToolkitError

QUALITY = {"min_length": 10, "min_length_cjk": 4, "max_length": 20_000, "language": "any"}


def rows_of(texts, labels=None, **splits):
    tables = {"train": (texts, labels or ["x"] * len(texts)), **splits}
    built = {
        split: pa.table({"text": pa.array(found[0], pa.string()), "label": pa.array(found[1], pa.string())})
        for split, found in tables.items()
    }
    return row_module.from_dataset(columns.to_dataset(built, "x", complete=False))


def run(rows, extra=(), **quality):
    rows.stage = "low-quality"
    figures = low_quality.run(rows, SimpleNamespace(quality=SimpleNamespace(**QUALITY | quality)), {"rules": extra})
    rows.settle()
    return figures


def reasons(texts, labels=None, **options):
    """text -> (reason, detail) of the rejected ones."""
    rows = rows_of(texts, labels)
    run(rows, **options)
    return {texts[row]: (reason, detail) for row, _, reason, detail in rows.rejects}


def lines(block):
    return [line.strip() for line in block.strip().split("\n")]


REJECTED = {
    "too short": r"""
        123456789
        bad film
        好好好
        ?!
    """,
    "meaningless: reply": r"""
        ok ok ok ok!!!
        LOL lol LOL lol
        hahahahahaha
        Test, test, testing
        hmm... okay, no!!!
        哈哈哈哈哈哈
        顶！顶！顶！路过
        沙发沙发~~~
        嗯嗯，好的，谢谢
        打酱油路过…
    """,
    "meaningless: keyboard": r"""
        asdf asdf asdf
        qwertyuiop qwerty
        sdfghjkl dfghjkl
        test123 test 123
        kjhgfdsx mnbvcxzlk
        zxzxzxzxzxzxzx
    """,
    "meaningless: placeholder": r"""
        Lorem ipsum dolor sit amet, consectetur adipiscing elit.
        This comment has been removed.
        Enter your text here
        评价方未及时做出评价,系统默认好评!
        该内容已被删除
        此用户没有填写评价。
    """,
    "repeated: characters": r"""
        aaaaaaaaaaaaaaaa
        wooooooooooooooooo
        人人人人人人
        真香真香真香真香
        yoyoyoyoyoyoyo
    """,
    "repeated: phrases": r"""
        cheap watches here cheap watches here cheap watches here cheap watches here cheap watches here
        a very good product a very good product a very good product a very good product
        物流很快质量不错，物流很快质量不错，物流很快质量不错，物流很快质量不错，物流很快质量不错，
    """,
    "repeated: word": r"""
        free iphone free free gift free free car free free free
    """,
    "links: nothing else": r"""
        https://example.com/a/b?c=1
        see: http://example.org/very/long/path
        看 http://example.com/a
    """,
    "links: most of it": r"""
        a little more: http://example.com/a/long/page https://example.org/another/long/page
    """,
    "symbols": r"""
        $$$ 100% >>> 50% !!!
        13:40 12/05 -- 99.5
        6666666666
        *** 100% *** 50% ***
        -=-=-=-=- 限 =-=-=-=-=-=-=-=-=-=
    """,
    "advertisement: contact": r"""
        Best replica shoes, add me on WhatsApp for photos
        WhatsApp: +00 0000 0000 great prices
        join t.me/example_channel for signals
        Serious buyers only, please contact for price
        低价代理护肤品，加我微信：abc_12345
        需要的朋友可以联系我，支持验货
        招商热线：400-000-0000
        扫描下方二维码免费领取学习资料
        要货的加V信 xyz00000
    """,
    "advertisement: promotion": r"""
        CLICK HERE to buy cheap sunglasses!!!
        Get 50% off your first order, use code SAVE50
        Limited time offer! Order now and get free shipping
        Earn $500 a day from home, no experience needed
        Congratulations! You have won a free cruise
        Buy Instagram followers cheap and fast
        全场特价包邮，下单就送小礼品
        手机兼职日结，在家轻松日入300元，详情私聊
        无抵押贷款，当天放款，电话咨询
        长期代开各类发票
        厂家直销，诚招全国代理
    """,
    "boilerplate: cookies": r"""
        We use cookies to give you the best experience on our website.
    """,
    "boilerplate: copyright": r"""
        © 2015 Example Media. All rights reserved.
        Powered by WordPress | Theme by Nobody
        转载请注明出处，谢谢合作
        版权所有 未经许可不得转载
        未经本网授权，不得转载、摘编
        免责声明：以上内容仅供参考
    """,
    "boilerplate: mailing": r"""
        To unsubscribe from this list, click the link below.
        Subscribe to our newsletter
        Please do not reply to this email.
    """,
    "boilerplate: navigation": r"""
        Home | About us | Contact | Login
        Continue reading »
        Skip to main content
        首页 > 上一页 下一页 尾页
        点击查看全文>>
        分享到：微信 朋友圈 微博 QQ空间
    """,
    "broken encoding": r"""
        ���� what was it
        ��好的��
    """,
    "broken encoding: mojibake": r"""
        锟斤拷锟斤拷是什么
        \u4f60\u597d\u4e16\u754c
        it is ï¿½ï¿½ broken
        烫烫烫烫烫烫烫
    """,
}


@pytest.mark.parametrize("rule", REJECTED)
def test_rejected(rule):
    texts = lines(REJECTED[rule])
    assert {text: reason for text, (reason, _) in reasons(texts).items()} == dict.fromkeys(texts, rule)


KEPT = lines("""
    call my mother
    what is 7 x 7
    no way !!!!!
    i'm not sure
    10-4 good buddy
    yes please do
    thank you so much
    sooooo good !!!
    Greaaaaaaat movie
    no , no , a thousand times no
    it 's a bird , it 's a plane , it 's a mess
    How do I use a promo code?
    Is there free shipping on my order today?
    can i order a new card now
    the cookies were stale and we use sugar
    I want to unsubscribe from premium
    please cancel my newsletter
    What does all caps mean?
    who owns the copyright of the song
    why was my comment removed by the moderator
    click the red button to start the washing machine
    I read more books than I watch films
    look at this https://example.com/an/address/that/is/far/longer/than/the/text
    12 + 13 equals what
    C++ versus C#
    What is the telephone number of the White House ?
    my number is 555 0100 0199, call me back
    The company offered a 20% discount last year
    He made $500 a day working online as a teacher in 1999, he says.
    the test was negative
    add me to the group chat
    text mom on whatsapp that i am late
    n.a.s.a. 1969
    Straße, naïve café
    Что делать?
    xxxxx marks the spot
    1984 (book)
    My WhatsApp is not working
    is wechat pay accepted
    太好了！！！！！！
    干干净净
    马马虎虎
    哈哈哈，这电影太好笑了
    好的好的，我明天去取
    这款手机支持微信吗
    怎么加微信好友
    微信支付失败怎么办
    路过的风景很美
    包邮吗亲
    请问怎么联系客服
    限时抢购活动什么时候开始
    5.12地震一周年
    3-0！国足赢了
    版权局发布新规定
    央行：2012年降息两次
    注册登录不了
    发票可以补开吗
    顶级豪宅之一即将面市(图)
    徐若�日本庆生意义非凡 受各方重视
    网上兼职被骗怎么办
    二维码扫不出来
    IPHONE4S首发 (组图)
    代购的东西能退吗
    楼市：房价涨 涨 涨
    无抵押贷款有哪些风险
""")


def test_kept():
    assert reasons(KEPT) == {}


def test_detail_tells_what_was_found():
    texts = ["123456789", "好好好", "add me on WhatsApp for the very best prices", "$$$ 100% >>> 50% !!!", "o" * 21]
    assert reasons(texts, max_length=20) == {
        "123456789": ("too short", "9 characters, at least 10"),
        "好好好": ("too short", "3 characters, at least 4"),
        texts[2]: ("too long", "43 characters, at most 20"),
        texts[3]: ("symbols", "0% letters, at least 10%"),
        texts[4]: ("too long", "21 characters, at most 20"),
    }
    assert reasons(texts)[texts[2]] == ("advertisement: contact", "add me on WhatsApp")
    assert reasons(texts)[texts[4]] == ("repeated: characters", "1 characters without repeats, at least 10")
    ((_, detail),) = reasons(
        ["To unsubscribe from what we send to our many readers every day, please click here"]
    ).values()
    assert detail == "To unsubscribe from what we send to our many readers every …"


def test_bounds_have_a_value_for_each_script():
    texts = ["123456789", "1234567 odd", "好好好", "好的朋友", "iPhone很好"]
    assert list(reasons(texts)) == ["123456789", "好好好"]
    assert list(reasons(texts, min_length=12, min_length_cjk=9)) == texts
    assert reasons(texts[1:], min_length=0, min_length_cjk=0) == {}


def test_where_short_texts_are_wanted_replies_stay():
    replies = ["ok", "ok ok ok ok!!!", "yes", "lol", "hahahahahaha", "好的", "哈哈哈哈哈哈", "嗯嗯"]
    assert len(reasons(replies)) == len(replies)
    assert reasons(replies, min_length=0, min_length_cjk=0) == {}
    assert set(reasons(replies, min_length=3, min_length_cjk=1)) == {"ok", "ok ok ok ok!!!", "hahahahahaha"}


def test_long_texts_are_not_judged_by_their_footer():
    article = "The council met on Monday to talk about the new bridge over the river. " * 10
    noise = " ".join(f"word{i}" for i in range(80))
    for footer in ("All rights reserved.", "To unsubscribe, click here.", "Add me on WhatsApp.", "We use cookies."):
        assert reasons([f"{noise} {footer}"]) == {}
    assert reasons([article])[article][0] == "repeated: phrases"


def test_language():
    english, chinese = "what is the time in London", "今天伦敦几点了"
    russian, japanese, korean = "который час в Лондоне", "今はロンドンで何時ですか", "지금 런던은 몇 시인가요"
    texts = [english, chinese, russian, japanese, korean, "12345 6789 ab"]
    assert set(reasons(texts)) == set()
    assert set(reasons(texts, language="en")) == {chinese, russian, japanese, korean}
    assert set(reasons(texts, language="zh")) == {english, russian, japanese, korean, texts[5]}
    assert reasons(texts, language="en")[russian] == ("language: script", "0% latin letters, at least 50%")
    foreign = {
        "language: German": "ich weiß nicht, wie das Wetter morgen wird und wo ich bin",
        "language: French": "je ne sais pas où est la gare, mais vous pouvez demander dans le magasin",
        "language: Spanish": "no puedo entrar en la cuenta porque el banco está cerrado, pero que llamen por la tarde",
    }
    assert {reason: text for text, (reason, _) in reasons(list(foreign.values()), language="en").items()} == foreign
    assert reasons(["the film Das Leben der Anderen and other German films that I like"], language="en") == {}


def test_a_class_of_such_texts_is_content():
    spam = [f"Congratulations! You have won prize number {i} of many" for i in range(6)]
    ham = [f"Shall we meet at place number {i} tomorrow?" for i in range(20)]
    stray = "Congratulations! You have won a prize of ours"
    rows = rows_of([*spam, *ham, stray], ["spam"] * 6 + ["ham"] * 21)
    figures = run(rows)
    assert [rows.values("text")[row] for row, *_ in rows.rejects] == [stray]
    assert figures["rejected"] == {"advertisement: promotion": 1}
    assert figures["kept_as_content"] == [{"rule": "advertisement: promotion", "label": "spam", "rows": 6}]
    mine = [{"name": "prizes", "language": "any", "patterns": ["congratulations"]}]
    rows = rows_of([*spam, *ham], ["spam"] * 6 + ["ham"] * 20)
    assert run(rows, mine, min_length=0)["rejected"] == {"prizes": 6}  # a user's own rule is obeyed
    rows = rows_of(["short"] * 9 + ham, ["spam"] * 9 + ["ham"] * 20)
    assert run(rows)["rejected"] == {"too short": 9}  # and so is a bound that is an option


def test_what_stayed_as_content_stays_when_there_is_less_of_it():
    mail = ["To unsubscribe click here now"] * 6 + [f"a mail with the number {i * i} in it" for i in range(19)]
    other = [f"Shall we meet at place number {i} tomorrow?" for i in range(20)]
    rows = rows_of(mail + other, ["mail"] * 25 + ["other"] * 20)
    kept = [{"rule": "boilerplate: mailing", "label": "mail", "rows": 6}]
    assert run(rows) == {"rejected": {}, "flagged": {}, "kept_as_content": kept}
    assert rows.values("flags")[5:7] == ["kept: boilerplate: mailing", None]
    for row in range(5):  # as duplicates go
        rows.reject(row, "same text", "")
    before = rows.changed
    assert run(rows) == {"rejected": {}, "flagged": {}, "kept_as_content": [kept[0] | {"rows": 1}]}
    assert rows.changed == before


def test_flags_figures_and_protection():
    lost = "徐若\ufffd日本庆生意义非凡 受各方重视"
    rows = rows_of(["short", lost, "a good long text"], test=(["tiny", "加我微信：abc_12345"], ["x", "y"]))
    figures = run(rows)
    assert figures == {"rejected": {"too short": 1}, "flagged": {"lost characters": 1}, "kept_as_content": []}
    assert rows.values("flags") == [None, "lost characters", None, None, None]
    assert rows.spared == {"low-quality": 2}
    assert run(rows)["rejected"] == {}


def test_order_and_blocks_play_no_part(monkeypatch):
    texts = [text for found in REJECTED.values() for text in lines(found)] + KEPT
    expected = reasons(texts)
    random.Random(1).shuffle(texts)
    assert reasons(texts) == expected
    monkeypatch.setattr(low_quality, "_CHARACTERS_AT_ONCE", 2_000)
    assert reasons(texts) == expected


def test_other_kinds_are_passed_over():
    data = {"train": pa.table({"size": [1.0, 2.0], "label": ["x", "y"]})}
    assert run(row_module.from_dataset(columns.to_dataset(data, "x", complete=False))) is None


@given(st.lists(st.text(max_size=30) | st.text("aA1 好の가я,。・〇😀\ufffd\t", max_size=12), min_size=1, max_size=8))
def test_what_is_counted_at_once_is_what_is_counted_one_by_one(texts):
    b = block(texts)
    assert b.lengths.tolist() == [len(text) for text in texts]
    assert b.cjk.tolist() == [is_cjk(text) for text in texts]
    for text, characters, words in zip(texts, b.characters, b.words, strict=True):
        assert characters <= len(set(text.lower()) | {" "})
        assert words <= len(set(text.lower().split()))


def test_squeeze():
    cases = {"Hahaha": "ha", "ok ok ok": "ok", "aab": "aab", "好的好的好的": "好的", "sooo good": "so good", "": ""}
    assert {text: squeeze(text) for text in cases} == cases


def write(tmp_path, content):
    path = tmp_path / "rules.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


def test_rules_of_the_user(tmp_path):
    found = rules.load(
        write(
            tmp_path,
            [
                {"name": "survey", "patterns": ["\\bsurvey\\b", "问卷"]},
                {
                    "name": "tickets",
                    "language": "en",
                    "patterns": ["\\bticket\\b", "#\\d+"],
                    "hits": 2,
                    "unless": ["urgent"],
                },
                {"name": "shouting", "measure": "digits", "above": 0.4, "action": "flag"},
                {"name": "signature", "whole": ["sent from my \\w+"], "up_to": 40},
                {"name": "thanks", "words": ["thanks a lot"], "language": "en"},
                {"name": "too long", "language": "zh", "measure": "characters", "above": 8},
                {"name": "symbols", "off": True},
            ],
        )
    )
    texts = [
        "fill in our survey please",
        "填写问卷有奖",
        "see ticket #123 again",
        "see ticket 123 again",
        "urgent: ticket #123 now",
    ]
    texts += [
        "order 123456789012",
        "Sent from my phone",
        "thanks a lot! thanks a lot",
        "这句话有九个字多一点",
        "$$$ 100% >>> 50% !!!",
    ]
    rows = rows_of(texts)
    figures = run(rows, found, min_length=13)
    assert {texts[row]: reason for row, _, reason, _ in rows.rejects} == {
        texts[0]: "survey", texts[1]: "survey", texts[2]: "tickets", texts[6]: "signature", texts[7]: "thanks",
        texts[8]: "too long",
    }  # fmt: skip
    assert figures["flagged"] == {"shouting": 1}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[{", "is no JSON"),
        ({"name": "x"}, "holds no list of rules"),
        ([1], "holds no list of rules"),
        ([{"patterns": ["a"]}], "rule 1 has no name"),
        ([{"name": "x", "pattern": ["a"]}], "rule 'x' has an unknown key 'pattern': did you mean patterns?"),
        ([{"name": "x"}], "has nothing to look for: give exactly one of"),
        ([{"name": "x", "words": ["a"], "whole": ["b"]}], "has whole and words"),
        ([{"name": "x", "patterns": ["a(b"]}], "'a(b' is no regular expression"),
        ([{"name": "x", "patterns": ["(?=a)b"]}], "without look-around"),
        ([{"name": "x", "patterns": ["a"], "unless": ["["]}], "'[' is no regular expression"),
        ([{"name": "x", "patterns": "a"}], "'patterns' is no list of texts"),
        ([{"name": "x", "measure": "leters", "below": 1}], "measure 'leters' is unknown: did you mean letters?"),
        ([{"name": "x", "measure": "letters"}], "has no one bound"),
        ([{"name": "x", "measure": "letters", "below": "min"}], "has no one bound"),
        ([{"name": "x", "patterns": ["a"], "language": "fr"}], "language 'fr' is unknown"),
        ([{"name": "x", "patterns": ["a"], "action": "drop"}], "action 'drop' is unknown"),
        ([{"name": "x", "patterns": ["a"], "hits": 0}], "'hits' is no number"),
        ([{"name": "x", "patterns": ["a"], "expected": True}], "is 'expected' of no language"),
        ([{"name": "symbol", "off": True}], "switches off what is no built-in rule: did you mean symbols?"),
        ([{"name": "x", "off": "yes"}], "'off' is neither true nor false"),
    ],
)
def test_bad_rules_are_told(tmp_path, content, message):
    with pytest.raises(ToolkitError) as e:
        rules.load(write(tmp_path, content))
    assert message in str(e.value)
    assert "rules.json" in str(e.value)


def test_built_in_rules_are_written_as_a_users(tmp_path):
    for language in rules.LANGUAGES:
        own = [rule for rule in rules.built_in() if rule["language"] == language]
        bare = [{key: value for key, value in rule.items() if key != "own"} for rule in own]
        assert rules.load(write(tmp_path, {"language": language, "rules": bare})) == bare
        assert len({rule["name"] for rule in own}) == len(own)
