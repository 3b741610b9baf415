"""Make the sample text: labelled messages to a shop's customer service, English and Chinese, with planted dirt.

    python scripts/make_sample_data.py --out sample_data --seed 7

Every message grows from the two grammars below. The label is the topic that the customer finally asks about; most
messages name a second topic that is already settled, in the same words, so that single keywords decide little, and a
few leave the matter open for good (phone calls more often than the rest). No two messages are near-duplicates,
except those planted. Standard library only; the same seed gives the same bytes on any machine.
"""

from __future__ import annotations

import argparse
import csv
import json
import random
import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

ROWS = {"en": 3540, "zh": 2360}
LABELS = {"delivery": 0.38, "product": 0.34, "billing": 0.28}
SOURCES = {"email": 0.28, "chat": 0.30, "app": 0.24, "phone": 0.18}
UNCLEAR = {"email": 0.06, "chat": 0.07, "app": 0.05, "phone": 0.26}  # share of messages that nobody could tell
SHAPES = {"plain": 0.45, "contrast": 0.42, "last_word": 0.13}
LENGTHS = {"en": (20, 140), "zh": (8, 45)}

# How many rows of each kind are planted, in English and in Chinese.
REPAIRED = {
    "html_entities": (55, 35),
    "white_space": (60, 40),
    "full_width": (35, 35),
    "mojibake": (45, 30),
    "control_characters": (40, 25),
}
REMOVED = {
    "missing_text": (30, 20),
    "missing_label": (36, 24),
    "too_short": (30, 20),
    "exact_duplicates": (70, 50),
    "near_duplicates": (60, 45),
    "contradictions": (50, 34),  # rows, two for each pair
}

APART = 0.7  # no two clean messages are as near as this
NEAR = (0.82, 0.97)  # how near a planted near-duplicate is to its original

# A grammar: name -> alternatives, parted by "|". {name} grows another name; L is the label's topic, O the other one.
# The things come in groups: one message is about one thing, and its group knows the parts, the faults and so on.
ENGLISH_THINGS = [
    {
        "item": "kettle|desk lamp|toaster|coffee grinder|headset|keyboard|blender|charger|speaker|vacuum cleaner|fan|"
        "heater|drill|night light|baby monitor|rice cooker|printer|router|monitor|bike pump|hair dryer|alarm clock",
        "part": "lid|handle|cable|plug|switch|cover|stand|button|adapter|battery|fuse|foot",
        "stuff": "steel|real glass|brass|copper",
        "fake": "plastic|painted tin|rubber",
        "fault": "makes a loud noise|gets far too hot|stopped working {past}|won’t switch on|smells of burnt {fake}|"
        "switches off after {few} minutes|has a crack in the {part}|buzzes all night",
        "wish": "how do I switch off the {item}|how do I reset the {item}|can the {item} run all night|"
        "which {part} fits the {item}|is the {item} safe for children|how do I change the {part} of the {item}",
    },
    {
        "item": "backpack|rain jacket|tent|sleeping bag|bath towel|pillow|curtain|wool scarf|hoodie|raincoat|dog bed|"
        "camera bag|rug|suitcase|blanket|pair of gloves|winter coat|picnic bag|seat cushion|table cloth",
        "part": "zip|strap|lining|button|seam|label|hook|cord|pocket|cover",
        "stuff": "leather|cotton|wool|linen|silk",
        "fake": "polyester|foam|thin plastic|felt",
        "fault": "is too small|is much too big|lost its colour in the wash|smells of {fake}|"
        "has a hole near the {part}|is not waterproof at all|came apart at the {part}|scratches my skin|"
        "shrank after {few} days",
        "wish": "how do I wash the {item}|can I swap the {item} for a bigger one|is the {item} waterproof|"
        "can I dry the {item} in the sun|which size of the {item} do I need|is the {item} warm enough for winter",
    },
    {
        "item": "bookshelf|frying pan|sauté pan|crêpe pan|wall clock|office chair|water bottle|phone case|mirror|"
        "picture frame|cat tree|lunch box|knife set|salt & pepper mill|tool box|ladder|plant pot|board game|puzzle|"
        "black & white print|café table|travel mug|tablet stand|shoe rack|coat stand|tea tray",
        "part": "lid|handle|hinge|base|screw|wheel|frame|bolt|glass|leg|bracket|corner",
        "stuff": "wood|steel|real glass|bamboo|marble",
        "fake": "plastic|thin card|painted tin|glued paper",
        "fault": "is too small|is much too big|has a deep scratch|leaks at the {part}|wobbles on a flat floor|is bent|"
        "smells of {fake}|broke {past}|has a chip on the {part}|came with {few} pieces missing",
        "wish": "how do I clean the {item}|can the {item} stay outside|how much weight can the {item} carry|"
        "can I swap the {item} for a bigger one|how do I put the {part} on the {item}|do I need glue for the {item}",
    },
]

ENGLISH = {
    "colour": "blue|grey|green|white|dark red|cream",
    "shade": "black|yellow|pink|brown|silver|navy",
    "past": "on Monday|on Tuesday|yesterday|last Friday|this morning|two days ago|a week ago|last night|on the {n}th|"
    "at the weekend|over a month ago|earlier today",
    "soon": "on Saturday|tomorrow|next week|after six|before noon|on Thursday|tonight|on the {n}th|in the morning",
    "place": "at the café|with a neighbour|by the back door|in the garage|at the front desk|behind the bins|"
    "on the porch|at my office|with the caretaker|at the corner shop",
    "depot": "depot|customs office|sorting centre|pick-up point|warehouse|post office",
    "event": "a birthday|the holidays|my move|a wedding|our trip|the school year|the party",
    "town": "the island|the coast|another city|a village|the north|a hotel|my parents’ house",
    "n": "4|5|6|7|8|9|10|11|12|14|15|16|17|18|19",
    "few": "two|three|four|five|six|ten",
    "d": "1|2|3|4|5|6|7|8|9",
    "sum": "£{d}{d}|€{d}{d}|£{d}.{d}0|£{d}{d}.99|€1{d}{d}|{d}{d} pounds|{d}{d} euros",
    "coupon": "discount|voucher|coupon|gift card|promo code|student discount|loyalty credit",
    "parcel": "the parcel|my parcel|the package|my package|the box|my order|the shipment|the {item}|my {item}",
    "delivery.noun": "the delivery|the parcel|the tracking|the shipping|the delivery date|the delivery slot|"
    "the drop-off|the package|the shipment|the courier visit|the delivery address|the pick-up",
    "product.noun": "the {item}|the {item} itself|the {part}|the size|the quality of the {item}|the fit|the colour|"
    "the {part} of the {item}|the material|the way the {item} works|the {item} manual|the spare {part}",
    "billing.noun": "the bill|the invoice|the refund|the payment|the charge|the receipt|the price|the {coupon}|"
    "the amount on my card|the {sum}|the money for the {item}|the total",
    "bad": "is still wrong|is not right|still needs fixing|is still a problem|has gone wrong|still worries me|"
    "is not as agreed|is a mess|still needs an answer|is what I need help with|is the trouble now|is far from fine|"
    "is not sorted|is not settled yet|hasn’t been dealt with|isn’t fine at all|did not turn out well",
    "good": "is fine|is fine now|was no problem|is sorted|has been dealt with|turned out well|is settled|is right|"
    "is no longer a problem|no longer worries me|is as agreed|needs nothing more|isn’t a mess any more|"
    "is not the trouble|is not what I need help with|has not gone wrong this time|is no longer wrong",
    "delivery.open": "{parcel} has not arrived|{parcel} still hasn’t come|{parcel} is stuck at the {depot}|"
    "{parcel} has been at the {depot} since the {n}th|the courier left {parcel} {place} without asking|"
    "the tracking has not moved for {few} days|nobody rang {past} and I was at home|{parcel} went to my old address|"
    "{parcel} was due {past} and is not here|I paid {sum} for express and {parcel} is still on its way|"
    "the driver took {parcel} away again|half of my order is here but the {item} never came|"
    "you sent the {item} to the wrong address|the new {item} you promised instead of the broken one has not shipped|"
    "it says delivered but there is no {item} {place}|the courier can’t find my street|"
    "I paid {past} and nothing has been shipped|the replacement {part} is {few} days late|"
    "the pick-up code for {parcel} does not work|I have the invoice but not the {item}",
    "delivery.done": "{parcel} has arrived|{parcel} came {past}|{parcel} is no longer stuck at the {depot}|"
    "the courier came {past}|the tracking is moving again|{parcel} was here on time|the driver found my new address|"
    "the courier left {parcel} {place} as I asked|{parcel} got here in {few} days|"
    "the missing half of my order came {past}|{parcel} was not late at all|I have the {item} from the {depot}|"
    "the express shipping was quick|you sent it to the right address this time",
    "delivery.ask": "when will {parcel} get here|where is {parcel} now|can you bring it {soon} instead|"
    "can the courier leave the {item} {place}|can I pick up the {item} at the {depot}|"
    "can you send the {item} to {town}|can you get it here before {event}|how long does shipping to {town} take|"
    "which day does the courier come|can you ship the {item} and the {part} together|has the {item} left the {depot}|"
    "could someone bring {parcel} up the stairs|do you ship to {town}|can {parcel} wait until after {event}",
    "product.open": "the {item} is broken|the {item} {fault}|the new {item} {fault}|the {item} {fault}|"
    "the {part} of the {item} is cracked|the {item} is {colour} and I ordered {shade}|"
    "the {item} does not look like the picture|there’s no {part} in the box|the {part} came off after {few} days|"
    "I paid for {stuff} and the {item} is {fake}|the {item} was delivered with a deep mark|"
    "for {sum} the {item} feels very cheap|the new {item} has the same fault|the {part} does not fit the {item}|"
    "the {item} the courier brought is used|the {item} I got {past} {fault}",
    "product.done": "the {item} works well|the {item} is just as I ordered|the {item} is the right {colour}|"
    "the {item} no longer has that fault|the {part} fits the {item}|the {item} looks like the picture|"
    "I like the {item}|the new {item} works|the {item} is worth {sum}|the {item} isn’t broken after all|"
    "the {part} of the {item} is repaired|the {item} is the right size|the {item} did not break this time|"
    "I found the {part} in the box",
    "product.ask": "{wish}|{wish}|{wish}|does the {item} come in {shade}|can you repair the {item}|"
    "do you sell a spare {part} for the {item}|can I exchange the {item} for a {colour} one|"
    "is the {item} made of {stuff}|does the {item} come with a {part}|what is the {item} made of|"
    "do you have the {item} in {stuff}",
    "billing.open": "I was charged twice for the {item}|you took {sum} too much|the refund has not arrived|"
    "the refund for the broken {item} hasn’t come|the invoice has the wrong address|the {coupon} was not taken off|"
    "you charged {sum} for shipping that was free|my card was declined {past}|there was no invoice in the parcel|"
    "I sent the {item} back {past} and still have no money|I paid {sum} for a delivery that was free|"
    "the {item} got cheaper the day after I paid|I was billed for a {item} I never ordered|"
    "the courier made me pay {sum} again|the {sum} for the lost parcel is still missing|"
    "the invoice says {few} and I bought one {item}|my {coupon} does not work|"
    "I paid the {colour} price for the {shade} {item}|the receipt never came",
    "billing.done": "the refund has arrived|the invoice is correct now|the {sum} came back {past}|"
    "I was charged only once|the {coupon} was taken off|the payment went through|the price was right|"
    "the receipt came {past}|I have paid for the {item}|my {coupon} works again|the refund is no longer missing|"
    "you didn’t take too much this time|I got my money for the {item}",
    "billing.ask": "can I pay {soon}|can you send me the invoice for the {item} again|when do I get my {sum} back|"
    "can you change the name on the invoice|why is the total {sum}|can I use the {coupon} for the {item}|"
    "can I pay for the {item} in {few} parts|how much is left on my {coupon}|why did the {item} cost {sum}|"
    "can you refund the {sum} to another card|do I have to pay for the return of the {item}|"
    "can I pay the courier in cash|is there a {coupon} for the {item}|what does shipping to {town} cost|"
    "can I have a receipt for {event}",
    "close": "Please help.|Please call me back.|Can you look into it?|My order is {d}{d}0{d}{d}.|Thank you.|"
    "It’s for {event}.|I wrote to you {past}.|What now?|This is the {d}th time.|I’d like an answer {soon}.|"
    "Order {d}{d}{d}{d}.|Any news?|I’m not happy.|What can I do?|I bought it {past}.",
    "plain": "{L.open}.|{L.open}. {close}|{L.open}. {close}|{L.ask}?|{L.ask}? {close}|{L.open}; {L.ask}?",
    "contrast": "{O.done}, but {L.open}.|{O.done}, yet {L.open}.|{L.open}, even though {O.done}.|{O.done}. {L.ask}?|"
    "{O.done}, but {L.open}. {close}|{L.open}, but {O.noun} {good}.|{L.open}. {O.noun} {good}.|"
    "{O.noun} {good}, but {L.open}.|{L.open} although {O.noun} {good}.|"
    "{O.done} and {O.noun} {good}, but {L.noun} {bad}.|{O.noun} {good}. {L.ask}?|"
    "{O.done}, but {L.noun} {bad}. {L.ask}?|{L.noun} {bad}, {O.noun} {good}.|{O.noun} {good}, but {L.noun} {bad}.|"
    "{O.noun} {good}, {L.noun} {bad}.|it’s not {O.noun} this time, it’s {L.noun}.|"
    "this is about {L.noun}, not about {O.noun}.|I don’t mind {O.noun}, I do mind {L.noun}.|"
    "first it was {O.noun}, now {L.open}.|{L.noun} {bad}. {O.done}.|now that {O.noun} {good}, {L.ask}?|"
    "never mind {O.noun}, {L.open}.|{L.noun} {bad}, never mind {O.noun}.|I asked about {O.noun} {past}; now {L.ask}?",
    "last_word": "{O.open} and {L.open}. First of all, {L.ask}?|{L.open} and {O.open}. {O.noun} can wait.|"
    "{O.open}, but let’s forget that: {L.noun} {bad}.|{O.open}. That is sorted now, but {L.noun} {bad}.|"
    "{O.open}, I can live with that. {L.ask}?|{O.noun} {bad}, but {L.noun} comes first.|"
    "{L.noun} {bad} and so is {O.noun}; start with {L.noun}.|{O.noun} {bad}, yes, but {L.ask}?|"
    "{L.noun} {bad}. {O.noun} too, but that can wait.",
    "unclear": "{L.open} and {O.open}.|{O.open} and {L.open}.|{L.noun} {bad} and {O.noun} {bad}.|"
    "{O.noun} {bad} and {L.noun} {bad}.|something about my {item} order {bad}. {close}|"
    "{O.noun} or {L.noun}, one of them {bad}.|{L.noun} or {O.noun}, one of them {bad}.|"
    "is it {L.noun} or {O.noun} that {bad}? {close}|is it {O.noun} or {L.noun} that {bad}? {close}",
    "email": "|||Hello, |Good morning, |Hi, |Dear team, ",
    "chat": "||||hi, |hey, |hello, |so ",
    "app": "",
    "phone": "Um, |So, um, |Yes, hello, |Well, |Right, so |Uh, |Hello? |||",
}

CHINESE_THINGS = [
    {
        "item": "水壶|台灯|面包机|咖啡机|耳机|键盘|榨汁机|充电器|音箱|吸尘器|电风扇|取暖器|电钻|小夜灯|电饭煲|打印机|"
        "路由器|显示器|LED灯|电动牙刷|加湿器|吹风机|闹钟|豆浆机|USB风扇|扫地机",
        "part": "盖子|把手|电源线|插头|底座|开关|外壳|支架|按钮|电池|密封圈|滤网",
        "stuff": "不锈钢|玻璃|铜|陶瓷",
        "fake": "塑料|铁皮|橡胶",
        "fault": "声音很大|烫得厉害|{past}不动了|打不开|有一股烧{fake}的味道|用{few}分钟就自动关机|整晚嗡嗡响|"
        "{part}有裂缝",
        "wish": "{item}怎么关|{item}怎么重新设置|{item}能整晚开着吗|哪种{part}配{item}|{item}小孩能用吗|"
        "{item}的{part}怎么换",
    },
    {
        "item": "双肩包|雨衣|帐篷|睡袋|浴巾|枕头|窗帘|围巾|卫衣|T恤|地毯|相机包|羽绒服|手套|毛毯|坐垫|桌布|运动鞋|"
        "帽子|床单|POLO衫|狗窝",
        "part": "拉链|肩带|里衬|扣子|缝线|标签|挂钩|绳子|口袋|外套子",
        "stuff": "真皮|纯棉|羊毛|亚麻|真丝",
        "fake": "化纤|海绵|塑料|薄布",
        "fault": "太小了|大了很多|一洗就掉色|有一股{fake}味|{part}旁边有个洞|根本不防水|从{part}那里开线了|扎皮肤|"
        "{few}天就缩水了",
        "wish": "{item}怎么洗|{item}能换大一号吗|{item}防水吗|{item}能晒吗|我该选多大的{item}|{item}冬天够暖吗",
    },
    {
        "item": "书架|平底锅|挂钟|保温杯|手机壳|镜子|相框|猫爬架|饭盒|刀具|工具箱|梯子|花盆|拼图|衣架|办公椅|茶盘|"
        "鞋柜|砧板|伞架|收纳盒|A4画框|折叠桌|平板支架",
        "part": "盖子|把手|底座|螺丝|轮子|边框|支架|合页|玻璃|桌脚|垫片",
        "stuff": "实木|不锈钢|玻璃|竹子|大理石",
        "fake": "塑料|纸板|铁皮|贴皮",
        "fault": "太小了|大了很多|有很深的划痕|{part}那里漏|放不平|弯了|有一股{fake}味|{past}断了|{part}缺了一角|"
        "少了{few}个零件",
        "wish": "{item}怎么清洗|{item}能放外面吗|{item}能承重多少|{item}能换大一号吗|{item}的{part}怎么装|"
        "装{item}要打孔吗",
    },
]

CHINESE = {
    "colour": "蓝色|灰色|绿色|白色|米色|酒红色",
    "shade": "黑色|黄色|粉色|棕色|银色|紫色",
    "past": "昨天|前天|上周五|今天早上|周一|上个月|昨晚|{n}号|周末|刚才|几天前|中午",
    "soon": "明天|周六|下周|下午|{n}号|今晚|周四|月底",
    "place": "门卫那里|邻居家|后门|楼下便利店|前台|快递柜|车库|公司|物业",
    "depot": "中转站|海关|仓库|驿站|网点|分拣中心",
    "event": "生日|过节|搬家|婚礼|出差|开学|聚会",
    "town": "乡下|外地|海边|老家|学校|酒店|岛上",
    "n": "3|5|6|7|8|9|10|12|15|18|20",
    "few": "两|三|四|五|六|十",
    "d": "1|2|3|4|5|6|7|8|9",
    "sum": "{d}{d}元|{d}{d}块|1{d}{d}元|{d}0块钱|{d}{d}块{d}",
    "coupon": "优惠券|折扣|红包|礼品卡|满减|会员价|积分",
    "parcel": "包裹|快递|我的订单|货|{item}|我买的{item}|那个{item}",
    "delivery.noun": "送货|快递|物流|包裹|配送时间|收货地址|派送|取件|运输|上门时间",
    "product.noun": "{item}|{item}本身|{item}的{part}|尺寸|{item}的质量|颜色|材质|{part}|款式|做工",
    "billing.noun": "账单|发票|退款|付款|扣款|收据|价格|{coupon}|那{sum}|{item}的钱|金额|总价",
    "bad": "还是不对|有问题|还没解决|还是个问题|出了错|让我担心|跟说好的不一样|还没弄好|没人答复|才是我要问的|"
    "一直没处理|不正常|仍然不行|没有变好|还没有着落|我不满意",
    "good": "没问题|已经解决了|不是问题了|已经对了|不用担心了|跟说好的一样|弄好了|有人处理了|不是我要问的|正常了|"
    "不用再管|这次没出错|还可以|我满意|没有不对|已经有答复了",
    "delivery.open": "{parcel}还没到|{parcel}一直没收到|{parcel}卡在{depot}了|{parcel}{n}号就到{depot}，现在还不动|"
    "快递没问我就放{place}了|物流{few}天没更新|{past}我在家，没人送来|{item}寄到旧地址了|说好{past}到，{item}没来|"
    "花{sum}买了加急，{item}还在路上|快递员又把{item}拿走了|订单只到一半，{item}没有来|{item}的地址送错了|"
    "答应换的新{item}还没发|显示签收，{place}没有{item}|{past}付了款，{item}还没发货|补发的{part}晚了{few}天|"
    "{item}的取件码用不了|发票到了，{item}没到",
    "delivery.done": "{parcel}到了|{parcel}{past}收到了|{parcel}已经离开{depot}|快递{past}来过了|物流更新了|"
    "{item}准时送到|这次地址没送错|快递按我说的放{place}了|{few}天就到了|没到的那一半{past}来了|{parcel}没有晚|"
    "{item}从{depot}取回来了",
    "delivery.ask": "{parcel}什么时候到|{parcel}现在在哪|能改到{soon}送{item}吗|{item}能放{place}吗|"
    "我能去{depot}自己取{item}吗|{item}能寄到{town}吗|{event}前能送到吗|寄到{town}要几天|快递哪天来|"
    "{item}和{part}能一起发吗|{item}从{depot}发出了吗|{item}能送上楼吗|{event}以后再送行吗",
    "product.open": "{item}坏了|{item}{fault}|{item}{fault}|新换的{item}{fault}|{past}收到的{item}{fault}|"
    "{item}的{part}裂了|{item}发成{colour}了，我要{shade}|{item}和图片不一样|{item}盒子里没有{part}|"
    "{part}用了{few}天就掉|付的是{stuff}的钱，{item}是{fake}的|{item}送来就有污渍|{sum}的{item}做工太差|"
    "新换的{item}毛病一样|{part}装不上{item}|快递送来的{item}是用过的",
    "product.done": "{item}很好用|{item}和我订的一样|{item}颜色没发错|{item}没有毛病了|{part}装上{item}了|"
    "{item}和图片一样|我喜欢这个{item}|新换的{item}能用|{item}值{sum}|{item}其实没坏|{item}的{part}修好了|"
    "{item}大小正好|盒子里有{part}",
    "product.ask": "{wish}|{wish}|{wish}|{item}有{shade}的吗|{item}能修吗|有{item}的{part}单卖吗|"
    "能换{colour}的{item}吗|{item}是{stuff}的吗|{item}带{part}吗|{item}是什么做的|{item}有{stuff}的吗",
    "billing.open": "{item}扣了我两次钱|多收了我{sum}|退款没到|坏的那个{item}还没退钱|{item}的发票地址错了|"
    "{coupon}没减|说包邮又收了{sum}运费|{past}付款失败了|包裹里没有发票|{item}{past}退回去了，钱没到|"
    "免运费的单收了我{sum}|刚付完{item}就降价了|没买{item}却有账单|快递员又收了我{sum}|丢件赔的{sum}没到|"
    "发票写了{few}个，我只买一个{item}|{item}的{coupon}用不了|{shade}的{item}按{colour}的价收|收据一直没收到",
    "billing.done": "退款到了|{item}的发票对了|{sum}{past}退回来了|只扣了一次钱|{coupon}减了|付款成功了|"
    "{item}的价格没错|收据{past}收到了|{item}的钱付了|{coupon}能用了|这次没多收钱|{item}退钱了",
    "billing.ask": "{soon}付款行吗|{item}的发票能再发一次吗|我的{sum}什么时候退|发票抬头能改吗|总价怎么是{sum}|"
    "买{item}能用{coupon}吗|{item}能分{few}次付吗|我的{coupon}还剩多少|{item}怎么要{sum}|{sum}能退到别的卡吗|"
    "退{item}要我付运费吗|能给快递员现金吗|{item}有{coupon}吗|寄到{town}运费多少|{item}能开收据吗",
    "close": "请帮忙看看。|请回电话。|怎么办？|订单{d}{d}0{d}。|谢谢。|{event}要用。|{past}问过了。|等你们答复。|"
    "第{d}次了。|{past}买的。|有消息吗？|很不高兴。|麻烦快点。",
    "plain": "{L.open}。|{L.open}，{close}|{L.open}。{close}|{L.ask}？|{L.ask}？{close}|{L.open}，{L.ask}？",
    "contrast": "{O.done}，但是{L.open}。|{O.done}，可{L.open}。|{L.open}，虽然{O.done}。|{O.done}，{L.ask}？|"
    "{O.done}，不过{L.open}，{close}|{L.open}，{O.noun}{good}。|{O.noun}{good}，但{L.open}。|"
    "{O.noun}{good}，{L.open}。|虽然{O.noun}{good}，{L.open}。|{O.done}，{O.noun}{good}，但{L.noun}{bad}。|"
    "{O.noun}{good}，{L.ask}？|{O.done}，但{L.noun}{bad}，{L.ask}？|{L.noun}{bad}，{O.noun}{good}。|"
    "{O.noun}{good}，但{L.noun}{bad}。|{L.noun}{bad}，不过{O.noun}{good}。|这次不是{O.noun}的事，是{L.noun}。|"
    "我问的是{L.noun}，不是{O.noun}。|{O.noun}我不在意，我在意{L.noun}。|先是{O.noun}，现在{L.open}。|"
    "{L.noun}{bad}，{O.done}。|既然{O.noun}{good}，{L.ask}？|先不管{O.noun}，{L.open}。|"
    "{L.noun}{bad}，{O.noun}先不管。|{past}问过{O.noun}，现在想问{L.ask}？",
    "last_word": "{O.open}，{L.open}，先说{L.noun}。|{L.open}，{O.open}，{O.noun}可以等。|"
    "{O.open}就算了，{L.noun}{bad}。|{O.open}，这个已经解决了，但{L.noun}{bad}。|{O.open}我能接受，{L.ask}？|"
    "{O.noun}{bad}，但先解决{L.noun}。|{L.noun}和{O.noun}都{bad}，先看{L.noun}。|{O.noun}{bad}，不过{L.ask}？|"
    "{L.noun}{bad}，{O.noun}也是，后者不急。",
    "unclear": "{L.open}，{O.open}。|{O.open}，{L.open}。|{L.noun}{bad}，{O.noun}{bad}。|"
    "{O.noun}{bad}，{L.noun}{bad}。|{item}这单{bad}，{close}|不知是{O.noun}还是{L.noun}{bad}。|"
    "不知是{L.noun}还是{O.noun}{bad}。|{L.noun}和{O.noun}都{bad}。|{O.noun}和{L.noun}都{bad}。",
    "email": "|||您好，|你好，|客服您好，",
    "chat": "||||在吗，|你好，|亲，",
    "app": "",
    "phone": "嗯，|那个，|喂，|就是，|呃，|喂你好，||",
}

SHORT = {
    "en": "ok|hi|thanks|hello|help|why|wait|no|yes|call me|hm|fine|again|sure|not yet|same here|please|any news|"
    "one sec|nope|still no|thx|got it|bye|wrong|cheers|when|refund|the box|my lamp",
    "zh": "好的|嗯|在吗|谢谢|你好|收到|等等|是的|可以|不行|好吧|再见|有人吗|知道了|没事|快点|算了|稍等|退款|明白了",
}

ENTITIES = {"&": "&amp;", "'": "&#39;", "’": "&rsquo;", "£": "&pound;", "€": "&euro;", "é": "&eacute;"}
INVISIBLE = ["\u200b", "\ufeff", "\x07", "\x08", "\x7f"]
GRAMMARS = {"en": (ENGLISH, ENGLISH_THINGS), "zh": (CHINESE, CHINESE_THINGS)}
SLOT = re.compile(r"\{([\w.]+)\}")


@dataclass(frozen=True)
class Row:
    text: str
    label: str
    source: str
    language: str
    place: float  # where in the file, from 0 to 1


# --- near-duplicates -------------------------------------------------------------------------------------------


def fold(text: str) -> str:
    return re.sub(r"[\W_]+", " ", unicodedata.normalize("NFKC", text).lower()).strip()


def grams(text: str) -> frozenset[str]:
    """Character 5-grams of Latin text, 2-grams of Chinese text; a shorter text is its own gram."""
    folded = fold(text)
    size = 2 if re.search(r"[\u4e00-\u9fff]", folded) else 5
    return frozenset(folded[at : at + size] for at in range(max(1, len(folded) - size + 1)))


def jaccard(one: frozenset[str], other: frozenset[str]) -> float:
    return len(one & other) / len(one | other)


class Neighbours:
    """The texts so far, by gram."""

    def __init__(self) -> None:
        self.texts: list[frozenset[str]] = []
        self.having: defaultdict[str, list[int]] = defaultdict(list)

    def add(self, text: str) -> None:
        own = grams(text)
        for gram in own:
            self.having[gram].append(len(self.texts))
        self.texts.append(own)

    def near(self, text: str) -> list[float]:
        """Similarities of `APART` or more. Such a text lacks few of our grams, so it has one of any few + 1."""
        own = grams(text)
        few = int(len(own) * (1 - APART)) + 1
        rarest = sorted(own, key=lambda gram: len(self.having.get(gram, ())))[:few]
        candidates = {at for gram in rarest for at in self.having.get(gram, ())}
        return [found for at in candidates if (found := jaccard(own, self.texts[at])) >= APART]


# --- clean messages --------------------------------------------------------------------------------------------


def draw(rng: random.Random, shares: dict[str, float]) -> str:
    return rng.choices(list(shares), list(shares.values()))[0]


def rules_for_one_thing(rng: random.Random, language: str) -> dict[str, str]:
    """The language's grammar with what can be said about one thing, which stays the same all through a message."""
    grammar, groups = GRAMMARS[language]
    group = rng.choice(groups)
    return {**grammar, **group, "item": rng.choice(group["item"].split("|"))}


def grow(rng: random.Random, rules: dict[str, str], name: str, topics: dict[str, str]) -> str:
    topic, dot, part = name.partition(".")
    rule = rng.choice(rules[topics.get(topic, topic) + dot + part].split("|"))
    return SLOT.sub(lambda match: grow(rng, rules, match[1], topics), rule)


def spell(text: str, language: str, source: str) -> str:
    """Write it as people write there: careful e-mails, hasty chats, phone calls taken down."""
    if language == "zh":
        return text.rstrip("。") if source == "chat" else text
    if source == "chat":
        return text.lower().replace("’", "'").rstrip(".")
    return re.sub(r"(^|[.?] )(\w)", lambda match: match[1] + match[2].upper(), text)


def message(rng: random.Random, language: str) -> Row:
    label = draw(rng, LABELS)
    source = draw(rng, SOURCES)
    shape = "unclear" if rng.random() < UNCLEAR[source] else draw(rng, SHAPES)
    topics = {"L": label, "O": rng.choice([topic for topic in LABELS if topic != label])}
    rules = rules_for_one_thing(rng, language)
    text = grow(rng, rules, source, topics) + grow(rng, rules, shape, topics)
    return Row(spell(text, language, source), label, source, language, rng.random())


def messages(rng: random.Random, language: str, seen: Neighbours) -> Iterator[Row]:
    """Messages that are apart from all before them, without end."""
    shortest, longest = LENGTHS[language]
    while True:
        row = message(rng, language)
        if shortest <= len(row.text) <= longest and not seen.near(row.text):
            seen.add(row.text)
            yield row


# --- dirt that a cleaner repairs: each returns None where the text does not lend itself -------------------------


def with_entities(rng: random.Random, text: str, language: str) -> str | None:
    if language == "zh":
        chosen = rng.sample(range(len(text)), 2)
        return "".join(f"&#{ord(char)};" if at in chosen else char for at, char in enumerate(text))
    escaped = "".join(ENTITIES.get(char, char) for char in text)
    return escaped if escaped != text else text.replace(" ", "&nbsp;", rng.randint(1, 3))


def with_white_space(rng: random.Random, text: str, language: str) -> str:
    """Chinese has no spaces within: there it goes before or behind."""
    if language == "zh":
        return rng.choice(["\u3000{}", " {}", "{}\n", "\t{}", "{}\u3000", "  {} "]).format(text)
    space = rng.choice([match.start() for match in re.finditer(" ", text)])
    wide = rng.choice(["  ", "   ", "\t", "\n", "\u00a0", " \n ", "\u3000"])
    return rng.choice(["{}", "{}", "  {}", "{} "]).format(text[:space] + wide + text[space + 1 :])


def with_full_width(rng: random.Random, text: str, language: str) -> str | None:
    words = list(re.finditer(r"[A-Za-z0-9]+", text))
    if not words:
        return None
    word = rng.choice(words)
    wide = "".join(chr(ord(char) + 0xFEE0) for char in word[0])
    return text[: word.start()] + wide + text[word.end() :]


def with_mojibake(rng: random.Random, text: str, language: str) -> str | None:
    """UTF-8 read as Windows-1252. Letters whose bytes it does not know would be lost, so such texts are left out."""
    try:
        garbled = text.encode().decode("cp1252")
    except UnicodeDecodeError:
        return None
    return garbled if garbled != text else None


def with_control_characters(rng: random.Random, text: str, language: str) -> str:
    at = rng.randint(1, len(text) - 1)
    return text[:at] + rng.choice(INVISIBLE) + text[at:]


DIRT: dict[str, Callable[[random.Random, str, str], str | None]] = {
    "html_entities": with_entities,
    "white_space": with_white_space,
    "full_width": with_full_width,
    "mojibake": with_mojibake,
    "control_characters": with_control_characters,
}


# --- copies ----------------------------------------------------------------------------------------------------


def same_but_for_looks(rng: random.Random, text: str, language: str) -> str:
    """The same text, or one that folds to the same."""
    swaps = {"en": [(".", "!"), (",", " -"), ("’", "'")], "zh": [("。", "！"), ("，", " "), ("？", "？？")]}[language]
    looks = [text, text.upper(), text.lower(), *(text.replace(old, new) for old, new in swaps)]
    return rng.choice(looks)


def slip(rng: random.Random, text: str, language: str) -> str:
    """A slip of the hand: a letter lost, doubled or swapped with the next; in Chinese also a particle added."""
    at = rng.choice([match.start() for match in re.finditer(r"\w(?=\w)", text)])
    here, after, rest = text[at], text[at + 1], text[at + 2 :]
    slips = [after, here + here + after, after + here]
    if language == "zh":
        slips += [here + particle + after for particle in "啊的呢就"]
    return text[:at] + rng.choice(slips) + rest


def near_copy(rng: random.Random, row: Row, seen: Neighbours) -> str | None:
    """A copy near its original and nothing else, or None where a few tries find none."""
    for _ in range(6):
        text = slip(rng, row.text, row.language)
        if rng.random() < 0.3:
            text = slip(rng, text, row.language)
        near = seen.near(text)
        if len(near) == 1 and NEAR[0] <= near[0] <= NEAR[1]:
            return text
    return None


def later(rng: random.Random, row: Row, text: str) -> Row:
    """A copy comes after its original."""
    return replace(row, text=text, place=rng.uniform(row.place, 1))


# --- all together ----------------------------------------------------------------------------------------------


def dirty(rng: random.Random, rows: list[Row], language: str, column: int) -> tuple[list[Row], list[Row]]:
    """Dirty as many rows as the table says: those dirtied, and those left as they were."""
    dirtied, left = [], list(rows)
    for kind, counts in REPAIRED.items():
        able = [(row, text) for row in left if (text := DIRT[kind](rng, row.text, language)) is not None]
        chosen = rng.sample(able, counts[column])
        dirtied += [replace(row, text=text) for row, text in chosen]
        taken = {row.place for row, _ in chosen}
        left = [row for row in left if row.place not in taken]
    return dirtied, left


def copies(rng: random.Random, originals: Iterator[Row], column: int, seen: Neighbours) -> Iterator[Row]:
    for _ in range(REMOVED["exact_duplicates"][column]):
        row = next(originals)
        yield later(rng, row, same_but_for_looks(rng, row.text, row.language))
    missing = REMOVED["near_duplicates"][column]
    while missing:
        row = next(originals)
        if text := near_copy(rng, row, seen):
            seen.add(text)
            yield later(rng, row, text)
            missing -= 1


def contradictions(rng: random.Random, pairs: list[Row]) -> Iterator[Row]:
    for row in pairs:
        other = rng.choice([label for label in LABELS if label != row.label])
        yield row
        yield replace(later(rng, row, same_but_for_looks(rng, row.text, row.language)), label=other)


def without_text(rng: random.Random, count: int) -> Iterator[Row]:
    for _ in range(count):
        yield Row(rng.choice(["", "", " ", "   "]), draw(rng, LABELS), draw(rng, SOURCES), "", rng.random())


def too_short(rng: random.Random, language: str, count: int) -> Iterator[Row]:
    for text in SHORT[language].split("|")[:count]:
        yield Row(text, draw(rng, LABELS), draw(rng, SOURCES), language, rng.random())


def make(rng: random.Random, language: str) -> Iterator[Row]:
    """All rows of one language."""
    column = list(ROWS).index(language)
    seen = Neighbours()
    new = messages(rng, language, seen)
    clean = [next(new) for _ in range(ROWS[language] - sum(counts[column] for counts in REMOVED.values()))]
    dirtied, untouched = dirty(rng, clean, language, column)
    yield from dirtied
    yield from untouched
    yield from (replace(next(new), label="") for _ in range(REMOVED["missing_label"][column]))
    yield from contradictions(rng, [next(new) for _ in range(REMOVED["contradictions"][column] // 2)])
    yield from copies(rng, iter(rng.sample(untouched, len(untouched))), column, seen)
    yield from without_text(rng, REMOVED["missing_text"][column])
    yield from too_short(rng, language, REMOVED["too_short"][column])


def write_rows(path: Path, rows: list[Row]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["text", "label", "source"])
        writer.writerows((row.text, row.label, row.source) for row in rows)


OTHERS = """\
## The other files

    python scripts/make_sample_images.py --out sample_data --seed 7
    python scripts/make_sample_tables.py --out sample_data --seed 7

| file | what |
| --- | --- |
| `images/LABEL/*.jpg`, `.png` | 230 pictures of signs (circle, cross, star, triangle) on six shared backgrounds |
| `table.csv` | 300 tiles from a kiln: four measures, clay, kiln, a remark in three of ten, `glaze` (the label) |
| `series/Waves_TRAIN.ts`, `Waves_TEST.ts` | 60 and 60 waves in two channels: sine, square or saw |
| `votes.csv`, `votes_truth.csv` | votes of five raters of unequal skill on 200 items; the true labels |
| `label_studio.json` | 30 tasks as Label Studio exports them, annotated once, twice or not |

They have planted dirt too, counted in `images.json` (with the files' names) and `tables.json`.

The images are readable by any program, but for two that are planted: one is cut short, one is no image. Their bytes
depend on the version of Pillow, their pixels do so only slightly.""".splitlines()


def readme(rows: int, clean: int, seed: int) -> str:
    lines = [
        "# Sample data",
        "",
        f"`text.csv` holds {rows:,} messages to a shop's customer service (`text`), three in five English and the rest",
        "Chinese, the topic that the customer finally asks about (`label`: delivery, product or billing) and the way",
        "they came in (`source`: email, chat, app or phone; phone calls are the least clear). No person wrote them:",
        "they grow from a grammar, and nobody's data is in them.",
        "",
        f"    python scripts/make_sample_data.py --out sample_data --seed {seed}",
        "",
        f"Some dirt is planted, one kind a row; the counts are in `planted.json` too. Clean, {clean:,} rows remain.",
        "",
        "| kind | rows | cleaning |",
        "| --- | --: | --- |",
        *(f"| `{kind}` | {sum(counts)} | repairs it |" for kind, counts in REPAIRED.items()),
        *(f"| `{kind}` | {sum(counts)} | removes it |" for kind, counts in REMOVED.items()),
        "",
        "Of duplicates the later copies are counted, of contradictions both rows.",
        "",
        *OTHERS,
        "",
        "Licence: Apache-2.0, like the project.",
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description="Make the sample text data.")
    parser.add_argument("--out", type=Path, default=Path("sample_data"), help="folder to write to")
    parser.add_argument("--seed", type=int, default=7)
    options = parser.parse_args()

    rng = random.Random(options.seed)
    rows = sorted((row for language in ROWS for row in make(rng, language)), key=lambda row: row.place)
    planted = {kind: sum(counts) for kind, counts in {**REPAIRED, **REMOVED}.items()}
    clean = len(rows) - sum(planted[kind] for kind in REMOVED)

    options.out.mkdir(parents=True, exist_ok=True)
    write_rows(options.out / "text.csv", rows)
    summary = json.dumps({"rows": len(rows), "clean_rows": clean, "planted": planted}, indent=2)
    (options.out / "planted.json").write_bytes(f"{summary}\n".encode())
    (options.out / "README.md").write_bytes(readme(len(rows), clean, options.seed).encode())


if __name__ == "__main__":
    main()
