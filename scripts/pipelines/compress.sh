#!/usr/bin/env bash
# From a trained model to a small, fast one: cut, taught by the original, INT8, and one table of all steps.
# Use: scripts/pipelines/compress.sh MODEL DATA OUT     e.g. runs/demo/finetune runs/demo/split runs/small
# MODEL is a trained classifier, DATA a dataset with train, validation and test; OUT/quantize is the product.
# Call it again after a stop: finished steps are up-to-date, an interrupted training resumes.
# CUT (default "--layers 3 --ffn 0.5 --vocab") is what prune takes away, EPOCHS (default 10) how long the student learns, TRANSFER
# (default: none) a dataset of more rows that it learns on, LEARN (default "--lr 2e-4") further options of distill, INT8 of quantize.
set -euo pipefail
MODEL=${1:?use: compress.sh MODEL DATA OUT}
DATA=${2:?use: compress.sh MODEL DATA OUT}
OUT=${3:?use: compress.sh MODEL DATA OUT}
read -ra CUT <<<"${CUT:---layers 3 --ffn 0.5 --vocab}"
read -ra LEARN <<<"${TRANSFER:+--transfer $TRANSFER} ${LEARN:---lr 2e-4}"
read -ra INT8 <<<"${INT8:-}"

toolkit prune "$MODEL" --data "$DATA" "${CUT[@]}" --no-recover --no-sensitivity --out "$OUT/prune"
toolkit distill "$MODEL" --data "$DATA" --student "$OUT/prune" --epochs "${EPOCHS:-10}" "${LEARN[@]}" --out "$OUT/distill"
toolkit quantize "$OUT/distill" --data "$DATA" "${INT8[@]}" --out "$OUT/quantize"
for step in prune distill quantize; do
    toolkit evaluate "$OUT/$step" --data "$DATA" --out "$OUT/evaluate-$step"
done
toolkit evaluate "$MODEL" --data "$DATA" --out "$OUT/evaluate-original"
python "$(dirname "$0")/../compare.py" original="$OUT/evaluate-original" pruned="$OUT/evaluate-prune" \
    distilled="$OUT/evaluate-distill" quantized="$OUT/evaluate-quantize" --markdown "$OUT/table.md" --figure "$OUT/pareto.png"
