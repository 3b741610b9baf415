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
    "The surest first, row by row": "按置信度从高到低逐行排列",
    # evaluate: efficiency
    # evaluate: against a baseline
    # evaluate: robustness
    # error-analysis
}
