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
    "in metrics.json": "metrics.json 中的路径",
    "balanced accuracy": "平衡准确率",
    "precision, mean over the classes (macro)": "精确率，各类别平均（宏平均）",
    "recall, mean over the classes (macro)": "召回率，各类别平均（宏平均）",
    "F1, mean over the classes (macro)": "F1，各类别平均（宏平均）",
    "precision of all decisions (micro)": "精确率，全部判定合计（微平均）",
    "recall of all decisions (micro)": "召回率，全部判定合计（微平均）",
    "F1 of all decisions (micro)": "F1，全部判定合计（微平均）",
    "Matthews correlation": "马修斯相关系数",
    "right class among the 3 likeliest": "正确类别在前 3 个预测之中",
    "right class among the 5 likeliest": "正确类别在前 5 个预测之中",
    "share of wrong decisions (Hamming loss)": "错误判定的比例（汉明损失）",
    "AUC, one class against the rest (macro)": "AUC，一对其余（宏平均）",
    "average precision (macro)": "平均精度（宏平均）",
    "label ranking average precision": "标签排序平均精度",
    "log loss": "对数损失",
    "Brier score": "Brier 分数",
    "calibration error (ECE)": "校准误差（ECE）",
    "ECE without what chance adds": "扣除随机成分后的 ECE",
    "The lowest F1 first.": "按 F1 从低到高排列。",
    "The {shown} of {count} classes with the lowest F1.": "共 {count} 个类别，此处列出 F1 最低的 {shown} 个。",
    "Confusions": "混淆情况",
    "predicted": "预测类别",
    "share of the class": "占该类别的比例",
    "The most frequent.": "最常见的混淆。",
    "Confidence": "置信度",
    "True class down, predicted across": "纵向为真实类别，横向为预测类别",
    "Confidence of right and wrong predictions": "正确与错误预测的置信度",
    "right": "正确",
    "wrong": "错误",
    "confidence": "置信度",
    "share right": "正确比例",
    "gap": "差距",
    "share of rows": "行数占比",
    "Share that is right at each confidence; the diagonal is honest": "各置信度下预测正确的比例；对角线表示完全校准",
    "The same with the temperature": "温度校准之后",
    "as it is": "校准前",
    "with the temperature": "校准后",
    (
        "Logits divided by the temperature {temperature:.2f} have the least log loss on {rows} rows of {split}. "
        "The model itself is as it was."
    ): "在 {split} 的 {rows} 行上，将 logits 除以温度 {temperature:.2f} 时对数损失最小。模型本身未作改动。",
    "Errors": "错误",
    "The surest first. What they share and what decided them tells error-analysis.": (
        "按置信度从高到低排列。错误的共同之处与决定因素见 error-analysis。"
    ),
    "Row by row": "逐行排列",
    # evaluate: efficiency
    "Efficiency": "效率",
    "On {cpu}, cores: {cores}, threads of PyTorch: {threads}, {device}; the load was {load} before.": (
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
    "Leaving rows out": "选择性预测",
    "Where it may leave rows to a person, the ones that it is least sure of first. The area under the curve (AURC) "
    "is {aurc:.4f}, of which {excess:.4f} because the order of its confidence is not the best.": (
        "模型可以把最没有把握的样本先交给人工处理。风险-覆盖率曲线下面积（AURC）为 {aurc:.4f}，"
        "其中 {excess:.4f} 源于置信度排序不够理想。"
    ),
    "share of errors": "错误比例",
    "share of rows answered": "作答比例（覆盖率）",
    "Errors among the rows that are answered": "已作答样本中的错误比例",
    "answered": "作答范围",
    "least confidence": "最低置信度",
    "the surest {share}%": "置信度最高的 {share}%",
    "Out of distribution": "分布外检测",
    "{rows} rows from elsewhere, by {method}: an evaluated row beats one of them with a chance of "
    "{value:.1%}; at the threshold that lets 95% of the evaluated rows pass, {missed:.1%} of them pass.": (
        "{rows} 行分布外样本，方法为 {method}：评估样本得分高于分布外样本的概率为 {value:.1%}；"
        "在放行 95% 评估样本的阈值下，仍有 {missed:.1%} 的分布外样本被放行。"
    ),
    "The method was chosen by its AUROC on {data}.": "方法按其在 {data} 上的 AUROC 选定。",
    "No rows to choose a method by were given (--ood-validation), so it is {name}.": (
        "未给出用于选择方法的样本（--ood-validation），因此采用 {name}。"
    ),
    "Methods of the features are fitted on {rows} training rows.": "基于特征的方法在 {rows} 行训练样本上拟合。",
    "method": "方法",
    "FPR at 95% TPR": "95% TPR 时的 FPR",
    "AUROC on validation": "验证集 AUROC",
    "Share of the evaluated rows that pass, by that of the rows from elsewhere": (
        "被放行的评估样本比例，随被放行的分布外样本比例变化"
    ),
    "from elsewhere, passed": "被放行的分布外样本",
    "evaluated rows, passed": "被放行的评估样本",
    "Scores of {name}; to the right is more at home": "{name} 的得分；越靠右越接近训练分布",
    "evaluated rows": "评估样本",
    "from elsewhere": "分布外样本",
    "score": "得分",
    "AUPR: rows from elsewhere are what is looked for.": "AUPR 以分布外样本为正类。",
    "Natural noise": "自然噪声",
    "On {rows} rows accuracy is {accuracy:.1%}; under noise it is {value:.1f} percentage points lower, in the mean "
    "over kinds and strengths (95% interval {low:.1f} to {high:.1f}).": (
        "在 {rows} 行上准确率为 {accuracy:.1%}；加入噪声后，对各种类与强度取平均，下降 {value:.1f} 个百分点"
        "（95% 置信区间 {low:.1f} 至 {high:.1f}）。"
    ),
    "typos": "错别字",
    "case": "大小写",
    "punctuation": "标点",
    "blur": "模糊",
    "brightness": "亮度",
    "strength": "强度",
    "mean drop": "平均下降",
    "Accuracy at each strength of noise; 0 is the rows as they are": "各噪声强度下的准确率；0 表示原样本",
    "Attacks": "对抗攻击",
    "each pixel value changed by at most {eps:g} of 255": "每个像素值的改动不超过 {eps:g}/255",
    "at most {share:.0%} of a text's words changed (one at least), and a character similarity (chrF) of "
    "{similarity:g} or more with what it was": (
        "改动的词不超过文本词数的 {share:.0%}（至少一个词），且与原文的字符相似度（chrF）不低于 {similarity:g}"
    ),
    "Of {rows} rows {right} are right; {lost:.1%} of these are lost to at least one attack, under the "
    "constraint: {bound}.": (
        "{rows} 行中有 {right} 行原本预测正确；在约束条件下，其中 {lost:.1%} 至少被一种攻击改变预测。约束：{bound}。"
    ),
    "synonyms": "同义词替换",
    "slips of characters": "字符笔误",
    "queries": "查询次数",
    "words changed": "改动词比例",
    "similarity": "相似度",
    "success": "攻击成功率",
    "any of them": "任意一种",
    "Success: share of the right rows that are lost. Queries: texts or images asked, a row.": (
        "攻击成功率：原本正确的样本中被攻破的比例。查询次数：每行向模型提交的文本或图像数。"
    ),
    "Rows lost to attacks": "被攻破的样本",
    "told after it": "攻击后的预测",
    "text": "文本",
    "Images above what became of them": "上为原图，下为攻击后的图像",
    # error-analysis
    "Error analysis": "错误分析",
    "{errors} of {rows} rows are wrong; the findings below tell {told} of these errors. "
    "Of {sure} rows that the model is sure of, {wrong} are wrong.": (
        "{rows} 行中有 {errors} 行预测错误；以下发现解释了其中 {told} 个错误。"
        "在模型有把握的 {sure} 行中，有 {wrong} 行是错的。"
    ),
    "errors": "错误数",
    "findings": "发现",
    "{told} errors told": "解释了 {told} 个错误",
    "sure and wrong": "有把握却错了",
    "confidence above {bound}": "置信度高于 {bound}",
    "labels probably wrong": "标签可能有误",
    "column": "列",
    "keyword": "关键词",
    "rows that are alike": "相似的行",
    "several conditions": "多个条件",
    "confused classes": "易混类别",
    "too sure": "过度自信",
    "see rows/{number}.csv": "见 rows/{number}.csv",
    "at most": "最多",
    "expected": "预期",
    "points of accuracy": "准确率（百分点）",
    "The most to gain first. At most: all errors of the slice gone; expected: the slice as good as the other rows, "
    "of labels the probability that they are wrong. Errors that a finding above holds too are not counted as new. "
    "The rows of each finding are in rows/, as csv and for Label Studio. When a measure is taken, evaluate again "
    "and call error-analysis with --after and this folder.": (
        "按可获增益从高到低排列。“最多”：该切片的错误全部消除；“预期”：该切片变得与其他行一样好，对标签则按其有误的概率计算。"
        "上方发现已包含的错误不再计为“新增”。每个发现涉及的行在 rows/ 中，有 csv 和 Label Studio 两种格式。"
        "采取措施后请重新评估，并用 --after 指定本文件夹再次运行 error-analysis。"
    ),
    "Nothing stands out from what errors at random would show too.": "没有任何发现超出随机错误所能呈现的程度。",
    "What to do next": "下一步行动",
    "What could be gained": "可能的增益",
    "finding": "发现",
    "which rows": "涉及的行",
    "new": "新增",
    "error rate, % (95% interval)": "错误率 %（95% 置信区间）",
    "lift": "提升度",
    "gain at most": "最大增益",
    "command that addresses it": "对应的命令",
    "keep": "保留",
    "discard": "放弃",
    "undecided": "未定",
    "What the last plan has done": "上一轮计划的效果",
    "For each finding of {analysis} the error rate of its rows then and now. Keep: fewer errors, and the "
    "interval says so. Discard: more, or at best a tenth less.": (
        "{analysis} 中每个发现所涉及的行，当时与现在的错误率。"
        "保留：错误减少且区间支持这一结论；放弃：错误增多，或至多减少一成。"
    ),
    "before": "之前",
    "before, %": "之前 %",
    "after, %": "之后 %",
    "after": "之后",
    "difference": "差值",
    "verdict": "结论",
    "Against the baseline": "与基线对比",
    "Of {rows} rows that {baseline} has too, {fixed} errors are fixed, {broken} are new and {common} are "
    "common.": "在 {baseline} 也有的 {rows} 行中，修复了 {fixed} 个错误，新增 {broken} 个，共有 {common} 个。",
    "error rate, after minus before, %": "错误率之差（之后减之前，%）",
    "change": "变化",
    "changed": "变化的行",
    "Where changes gather, beyond what shuffled changes show.": "变化集中之处，超出打乱后所能呈现的程度。",
    "By confidence": "按置信度",
    "Errors of high confidence are wrong labels or blind spots; those of low confidence want data.": (
        "高置信度的错误是标签错误或盲区；低置信度的错误说明数据不足。"
    ),
    "Confused classes": "易混类别",
    "Expected: as many as if each class were taken for the others as these are answered in general; p: the "
    "chance that some pair is so far above it.": (
        "预期：假设每个类别被误认为其他类别的比例与总体错误一致时的错误数；p：有任一类别对超出预期如此之多的概率。"
    ),
    "Errors a pair": "每对类别的错误数",
    "share of label, % (95% interval)": "占该标签的比例 %（95% 置信区间）",
    "Labels that may be wrong": "可能有误的标签",
    "The calibrated model contradicts {flagged} labels. About {share:.1%} of all labels are wrong (95% "
    "interval {low:.1%} to {high:.1%}), and {precision:.0%} of these here.": (
        "校准后的模型与 {flagged} 个标签相矛盾。"
        "全部标签中约有 {share:.1%} 有误（95% 置信区间 {low:.1%} 至 {high:.1%}），此处所列的约有 {precision:.0%} 有误。"
    ),
    "perhaps": "可能应为",
    "probability that it is wrong": "有误的概率",
    "Of all values, words, clusters of rows and two or three of these at once, those that hold more errors than "
    "any slice does when the errors are shuffled. Part of: the finding that it shares its errors with.": (
        "在所有取值、词语、相似行的簇及其两三项的组合中，错误多于打乱错误后任何切片的那些。“属于”：与之共有错误的发现。"
    ),
    "Slices": "切片",
    "No slice holds more errors than shuffled errors show.": "没有切片的错误多于打乱错误后的情形。",
    "part of": "属于",
    "By column": "按列",
    "where it is decided": "决定区域",
    "Orange: without it the answer would be less probable; blue: more probable. All errors are in errors.parquet.": (
        "橙色：去掉后该答案的概率会降低；蓝色：会升高。全部错误见 errors.parquet。"
    ),
    "Errors, the surest first": "错误（按置信度从高到低）",
    "All errors are in errors.parquet.": "全部错误见 errors.parquet。",
    "What decided, in the order of the rows below: orange is what the answer would miss, framed the square it would "
    "miss the most": "决定因素（顺序与下表各行一致）：橙色为该答案所依赖的区域，方框为最依赖的一块",
    "The first of them, row by row": "其中的前若干个，逐行排列",
    "top left": "左上",
    "top centre": "上方",
    "top right": "右上",
    "left side": "左侧",
    "centre": "中央",
    "right side": "右侧",
    "bottom left": "左下",
    "bottom centre": "下方",
    "bottom right": "右下",
}
