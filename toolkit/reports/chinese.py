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
    # error-analysis
}
