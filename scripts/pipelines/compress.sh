#!/usr/bin/env bash
# From a trained model to a small, fast one: cut, taught by the original, INT8, and one table of all steps.
# Use: scripts/pipelines/compress.sh MODEL DATA OUT     e.g. runs/demo/finetune runs/demo/split runs/small
# MODEL is a trained classifier, DATA a dataset with train, validation and test; OUT/quantize is the product.
# Call it again after a stop: finished steps are up-to-date, an interrupted training resumes.
# CUT (default "--layers 3 --ffn 0.5 --vocab"; of images "--ffn 0.5", of ResNets "--channels 0.25") is what prune takes away, EPOCHS (default 10) how long the student learns, TRANSFER
# (default: none) a dataset of more rows that it learns on, LEARN (default "--lr 2e-4") further options of distill, INT8 of quantize.
# Where a gate among them is not met the rest is made all the same, and the exit code is 3.
set -euo pipefail
MODEL=${1:?use: compress.sh MODEL DATA OUT}
DATA=${2:?use: compress.sh MODEL DATA OUT}
OUT=${3:?use: compress.sh MODEL DATA OUT}
case $(python -c 'import json, sys; config = json.load(open(sys.argv[1])); print(config["model_type"], *config)' "$MODEL/config.json" 2>/dev/null) in
    resnet\ *) usual="--channels 0.25" ;;
    *\ num_channels*) usual="--ffn 0.5" ;;
    *) usual="--layers 3 --ffn 0.5 --vocab" ;;
esac
read -ra CUT <<<"${CUT:-$usual}"
read -ra LEARN <<<"${TRANSFER:+--transfer $TRANSFER} ${LEARN:---lr 2e-4}"
read -ra INT8 <<<"${INT8:-}"

unmet=0
step() { # a gate that is not met (exit code 3) is told at the end: what it was missed by stands in the table
    toolkit "$@" || { local code=$?; [ "$code" = 3 ] || exit "$code"; unmet=3; }
}
step prune "$MODEL" --data "$DATA" "${CUT[@]}" --no-recover --no-sensitivity --out "$OUT/prune"
step distill "$MODEL" --data "$DATA" --student "$OUT/prune" --epochs "${EPOCHS:-10}" "${LEARN[@]}" --out "$OUT/distill"
step quantize "$OUT/distill" --data "$DATA" "${INT8[@]}" --out "$OUT/quantize"
for name in prune distill quantize; do
    step evaluate "$OUT/$name" --data "$DATA" --out "$OUT/evaluate-$name"
done
step evaluate "$MODEL" --data "$DATA" --out "$OUT/evaluate-original"
python "$(dirname "$0")/../compare.py" original="$OUT/evaluate-original" pruned="$OUT/evaluate-prune" \
    distilled="$OUT/evaluate-distill" quantized="$OUT/evaluate-quantize" --markdown "$OUT/table.md" --figure "$OUT/pareto.png"
exit "$unmet"
