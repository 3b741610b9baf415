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
    # evaluate: against a baseline
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
    "{rows} rows from elsewhere, by {method}: a row of the test beats one of them with a chance of "
    "{value:.1%}; at the threshold that lets 95% of the test rows pass, {missed:.1%} of them pass, too.": (
        "{rows} 行分布外样本，方法为 {method}：测试样本得分高于分布外样本的概率为 {value:.1%}；"
        "在放行 95% 测试样本的阈值下，仍有 {missed:.1%} 的分布外样本被放行。"
    ),
    "The method was chosen by its AUROC on {data}.": "方法按其在 {data} 上的 AUROC 选定。",
    "No rows to choose a method by were given (--ood-validation), so it is {name}.": (
        "未给出用于选择方法的样本（--ood-validation），因此采用 {name}。"
    ),
    "Methods of the features are fitted on {rows} training rows.": "基于特征的方法在 {rows} 行训练样本上拟合。",
    "method": "方法",
    "FPR at 95% TPR": "95% TPR 时的 FPR",
    "AUROC on validation": "验证集 AUROC",
    "Share of the test rows that pass, by the share of the rows from elsewhere that do": (
        "被放行的测试样本比例，随被放行的分布外样本比例变化"
    ),
    "from elsewhere, passed": "被放行的分布外样本",
    "test rows, passed": "被放行的测试样本",
    "Scores of {name}; to the right is more at home": "{name} 的得分；越靠右越接近训练分布",
    "test rows": "测试样本",
    "from elsewhere": "分布外样本",
    "score": "得分",
    "AUPR: rows from elsewhere are what is looked for. Intervals: DeLong; bootstrap.": (
        "AUPR 以分布外样本为正类。区间：AUROC 用 DeLong 方法，其余用自助法。"
    ),
    "Natural noise": "自然噪声",
    "On {rows} rows accuracy is {accuracy:.1%}; under noise it is {drop:.1%} lower, in the mean over kinds "
    "and strengths (95% interval {low:.1%} to {high:.1%}).": (
        "在 {rows} 行上准确率为 {accuracy:.1%}；加入噪声后，对各种类与强度取平均，下降 {drop:.1%}"
        "（95% 置信区间 {low:.1%} 至 {high:.1%}）。"
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
}
