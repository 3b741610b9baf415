#!/usr/bin/env bash
# The whole chain on text, one line a step: from dirty labelled rows to a small, fast, measured model.
# Use: scripts/pipelines/text.sh DATA MODEL OUT     e.g. sample_data/text.csv builtin:text-tiny runs/demo
# Call it again after a stop: finished steps are up-to-date, an interrupted training resumes.
# TRIALS (default 3) is the size of the search, EPOCHS (default 3) how long each trial and each recovery trains; the
# training in between takes the usual number (null), not the trials'.
set -euo pipefail
DATA=${1:?use: text.sh DATA MODEL OUT}
MODEL=${2:?use: text.sh DATA MODEL OUT}
OUT=${3:?use: text.sh DATA MODEL OUT}

toolkit clean "$DATA" --out "$OUT/clean"
toolkit split "$OUT/clean" --out "$OUT/split"
toolkit augment "$OUT/split" --out "$OUT/augment"
toolkit tune "$OUT/split" --model "$MODEL" --epochs "${EPOCHS:-3}" --total-trials "${TRIALS:-3}" --out "$OUT/tune"
toolkit finetune "$OUT/augment" --config "$OUT/tune" --set epochs=null --out "$OUT/finetune"
toolkit prune "$OUT/finetune" --data "$OUT/split" --ffn 0.5 --epochs "${EPOCHS:-3}" --out "$OUT/prune"
toolkit distill "$OUT/finetune" --data "$OUT/augment" --student layers:3 --epochs "${EPOCHS:-3}" --out "$OUT/distill"
toolkit quantize "$OUT/distill" --data "$OUT/split" --out "$OUT/quantize"
for step in finetune prune distill quantize; do
    toolkit evaluate "$OUT/$step" --data "$OUT/split" --out "$OUT/evaluate-$step"
done
toolkit error-analysis "$OUT/evaluate-finetune" --out "$OUT/error-analysis"
python "$(dirname "$0")/../compare.py" original="$OUT/evaluate-finetune" pruned="$OUT/evaluate-prune" \
    distilled="$OUT/evaluate-distill" quantized="$OUT/evaluate-quantize" --markdown "$OUT/table.md"
echo "Reports, to open in a browser:"
ls "$OUT"/*/report.html
