"""The texts of reports in Chinese; what stands in braces is filled in."""

CHINESE = {
    # evaluate: the page
    "Evaluation report": "评估报告",
    "{share:.1%} of {rows} rows of {split} are right (95% interval {low:.1%} to {high:.1%}).": (
        "{split} 的 {rows} 行中有 {share:.1%} 预测正确（95% 置信区间 {low:.1%} 至 {high:.1%}）。"
    ),
    "accuracy": "准确率",
    "samples a second": "每秒样本数",
    "batch {size}": "批大小 {size}",
    "latency p50": "延迟 p50",
    "size": "大小",
    "what inference loads": "推理时加载的文件",
    # evaluate: quality
    "Quality": "质量",
    "figure": "指标",
    "value (95% interval)": "数值（95% 置信区间）",
    "Classes": "各类别",
    "class": "类别",
    "precision": "精确率",
    "recall": "召回率",
    "rows": "行数",
    "Confusion and confidence": "混淆矩阵与置信度",
    "Confidence": "置信度",
    "True class down, predicted across": "纵向为真实类别，横向为预测类别",
    "Confidence of right and wrong predictions": "正确与错误预测的置信度",
    "right": "正确",
    "wrong": "错误",
    "confidence": "置信度",
    "Share that is right at each confidence; the diagonal is honest": "各置信度下预测正确的比例；对角线表示完全校准",
    "Errors": "错误",
    "The surest first, row by row": "按置信度从高到低逐行排列",
    # evaluate: efficiency
    "Efficiency": "效率",
    "On {cpu}, {cores} cores, {threads} threads of PyTorch, {device}; the load was {load} before.": (
        "测量环境：{cpu}，{cores} 核，PyTorch {threads} 线程，{device}；测量前系统负载 {load}。"
    ),
    "latency, ms (p50 / p95 / p99)": "延迟，毫秒（p50 / p95 / p99）",
    "start-up of a fresh process, s": "新进程启动时间，秒",
    "peak memory of a fresh process, MB": "新进程峰值内存，MB",
    "size of what inference loads, MB": "推理所加载文件的大小，MB",
    "parameters": "参数量",
    "floating-point operations a row, millions": "每行浮点运算数，百万",
    "cost of a million rows": "每百万行成本",
    "Operations are not counted in a converted model.": "转换后的模型不统计运算数。",
    "value": "数值",
    "rows a batch": "每批行数",
    # evaluate: against a baseline
    "Better than {name}: accuracy {value} percentage points (95% interval {low} to {high}).": (
        "优于 {name}：准确率相差 {value} 个百分点（95% 置信区间 {low} 至 {high}）。"
    ),
    "Worse than {name}: accuracy {value} percentage points (95% interval {low} to {high}).": (
        "劣于 {name}：准确率相差 {value} 个百分点（95% 置信区间 {low} 至 {high}）。"
    ),
    "Equivalent to {name} within {margin} percentage points: accuracy {value} (95% interval {low} to {high}).": (
        "与 {name} 在 {margin} 个百分点的界限内等效：准确率相差 {value} 个百分点（95% 置信区间 {low} 至 {high}）。"
    ),
    "Undecided against {name}: accuracy {value} percentage points (95% interval {low} to {high}).": (
        "与 {name} 相比尚无定论：准确率相差 {value} 个百分点（95% 置信区间 {low} 至 {high}）。"
    ),
    "No number of rows would tell a difference this small.": "差异如此之小，增加多少数据都无法判定。",
    "About {rows:,} more rows would decide it four times in five.": "再增加约 {rows:,} 行，有八成把握得出结论。",
    "Against {name}": "与 {name} 对比",
    "Of {rows} rows both are right on {both_right} and both wrong on {both_wrong}; this model alone is right on "
    "{fixed}, {name} alone on {broken}. McNemar's mid-p is {p}; the p of equivalence {q}.": (
        "共 {rows} 行：两者皆正确 {both_right} 行，皆错误 {both_wrong} 行；仅本模型正确 {fixed} 行，仅 {name} 正确 "
        "{broken} 行。McNemar 检验 mid-p 值为 {p}；等效性检验 p 值为 {q}。"
    ),
    "macro F1": "宏平均 F1",
    "log loss": "对数损失",
    "difference (95% interval)": "差值（95% 置信区间）",
    "p (bootstrap)": "p 值（自助法）",
    "This model less {name}. A log loss below zero is better.": "本模型减去 {name}。对数损失之差小于零为更好。",
    "What flipped against {name}": "相对 {name} 发生变化的预测",
    "fixed": "改对",
    "broken": "改错",
    "recall, difference (95% interval)": "召回率之差（95% 置信区间）",
    "F1, difference": "F1 之差",
    "Classes with a flip, the worst first": "有变化的类别，变差最多者在前",
    "Of twenty classes that are as good as before, chance alone lets one look changed.": (
        "每二十个实际未变的类别中，纯属偶然也会有一个看似变化。"
    ),
    "Broken: {name} was right ({all} rows; {shown}, the surest first)": (
        "改错：{name} 原本正确（共 {all} 行；按置信度从高到低列出 {shown} 行）"
    ),
    "Fixed: {name} was wrong ({all} rows; {shown}, the surest first)": (
        "改对：{name} 原本错误（共 {all} 行；按置信度从高到低列出 {shown} 行）"
    ),
    "this model said": "本模型的预测",
    "{name} said": "{name} 的预测",
    "Broken: {name} was right": "改错：{name} 原本正确",
    "Fixed: {name} was wrong": "改对：{name} 原本错误",
    "content": "内容",
    "label": "标签",
    "{model} (this one)": "{model}（本模型）",
    "Side by side": "并列比较",
    "The baselines' speed is what their own evaluations found.": "基线的速度取自各自的评估结果。",
    "Accuracy with its 95% interval over speed; the line joins what nothing beats in both": (
        "准确率（含 95% 置信区间）与速度；折线连接两方面均未被超越的模型"
    ),
    "model": "模型",
    "bytes": "字节数",
    "latency p50, ms": "延迟 p50，毫秒",
    "That of {name} was timed elsewhere ({told}) and is not comparable.": (
        "{name} 的速度在其他环境下测得（{told}），不可直接比较。"
    ),
    "{name} was timed at a load of {there}, this model at {here}: compare with care.": (
        "{name} 测速时系统负载为 {there}，本模型为 {here}：比较时请谨慎。"
    ),
    # evaluate: robustness
    # error-analysis
}
