#!/usr/bin/env bash
# The chain on images, one line a step: from dirty labelled pictures to a measured model.
# Use: scripts/pipelines/images.sh DATA MODEL OUT     e.g. sample_data/images builtin:image-tiny runs/demo-images
# Call it again after a stop: finished steps are up-to-date, an interrupted training resumes.
# EPOCHS (default 30) is how long it trains; TRIALS (default 0: none) the size of a search before that. --flip suits
# pictures that mean the same in a mirror: leave it out for letters.
set -euo pipefail
DATA=${1:?use: images.sh DATA MODEL OUT}
MODEL=${2:?use: images.sh DATA MODEL OUT}
OUT=${3:?use: images.sh DATA MODEL OUT}
TRAIN=(--model "$MODEL" --flip --crop 0.8 --patience 0 --epochs "${EPOCHS:-30}")
FOUND=(--batch-size 16)

toolkit clean "$DATA" --out "$OUT/clean"
toolkit split "$OUT/clean" --validation 0.15 --test 0.25 --out "$OUT/split"
toolkit augment "$OUT/split" --out "$OUT/augment"
if [ "${TRIALS:-0}" -gt 0 ]; then
    toolkit tune "$OUT/split" "${TRAIN[@]}" --total-trials "$TRIALS" --out "$OUT/tune"
    FOUND=(--config "$OUT/tune")
fi
toolkit finetune "$OUT/augment" "${TRAIN[@]}" "${FOUND[@]}" --out "$OUT/finetune"
toolkit evaluate "$OUT/finetune" --data "$OUT/split" --out "$OUT/evaluate"
toolkit error-analysis "$OUT/evaluate" --out "$OUT/error-analysis"
python "$(dirname "$0")/../compare.py" images="$OUT/evaluate" --markdown "$OUT/table.md"
echo "Reports, to open in a browser:"
ls "$OUT"/*/report.html
