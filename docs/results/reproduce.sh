#!/usr/bin/env bash
# Every command behind the tables of docs/benchmark.md, in order, from a checkout: pip install ".[bench]".
# DATA is the folder of sources, OUT takes all that is made on the way, OBJECTS are sampled per source (fewer lie in
# docs/results: see the page). The weights are those of the repository; `clickseg train itis --data pack --device cuda`
# trains one of the systems anew. Stopped, the same call goes on where it was.
set -euo pipefail

DATA=${DATA:-shared/data}
OUT=${OUT:-clickseg-benchmark}
OBJECTS=${OBJECTS:-25}
DOCS=$(cd "$(dirname "$0")/.." && pwd)
export OMP_NUM_THREADS=1
export CLICKSEG_MODELS=$DOCS/../src/napari_clickseg/models/weights # found by their names beside an installed wheel, too

FOUR=itis,spbox,forte99,ritm
WEIGHTLESS=random-walker,superpixels,grabcut,geodesic
MICROSCOPY=coelho2009_u2os,ctc_fluo_n2dl_hela_01,dsb2018,isbi2012_membrane,neuroproof_fibsem,omnipose_bacteria
MICROSCOPY+=,qcanet_embryo_nuclei,tma_hdab_nuclei,usiigaci_phase,usiigaci_t98g_timelapse,wbc_dataset1
THREE=dsb2018,usiigaci_phase,tma_hdab_nuclei
MOVIES=ctc_fluo_n2dl_hela_01,usiigaci_t98g_timelapse
SEQUENCES=$MOVIES,qcanet_embryo_nuclei,neuroproof_fibsem

bench() { # NAME OPTIONS..
    clickseg bench --data "$DATA" --seed 0 --device cpu --jobs 1 --out "$OUT/bench/$1" "${@:2}"
}

pack() { # NAME RUN..: the tables of these runs as one
    awk 'FNR > 1 || NR == 1' "${@:2}" | gzip -9n >"$DOCS/results/$1.csv.gz"
}

# -- clicks ------------------------------------------------------------------------------------------------------------

bench clicks --models default,$FOUR --sources $MICROSCOPY --objects "$OBJECTS"
bench brs --models brs --sources $MICROSCOPY --objects "$OBJECTS" --robot centre,dominant
bench robots-spbox --models spbox --sources $MICROSCOPY --objects "$OBJECTS" --robot pair
bench robots-itis --models itis --sources $MICROSCOPY --objects "$OBJECTS" --robot cluster,random
bench baselines --models $WEIGHTLESS --sources $MICROSCOPY --objects "$OBJECTS"
bench starts --models default,$FOUR --sources $MICROSCOPY --objects "$OBJECTS" --max-clicks 4 --start damaged,automatic
bench refinements --sources $THREE --objects "$OBJECTS" --models ritm,ritm:flip=off,ritm:zoom=off,forte99,\
forte99:guided=off,default,default:obey=off,default:closer=off
bench backpropagation --sources $THREE --objects "$OBJECTS" --models brs:brs=on,brs:brs=off,brs:brs=off:obey=on

# -- converted networks ------------------------------------------------------------------------------------------------

python "$DOCS/results/train_unet.py" --network our --minutes 16 --data "$DATA" --out "$OUT/unet"
python "$DOCS/results/train_unet.py" --network monai --minutes 6 --data "$DATA" --out "$OUT/unet" # pip install monai
python "$DOCS/results/export_unet.py" --weights "$OUT"/unet/{our,monai}.pt --out "$OUT/unet/formats" \
    --image "$DOCS/../src/napari_clickseg/samples/phase.tif" --table "$DOCS/results/formats.csv"
bench conversion --correct --sources dsb2018,usiigaci_phase --images 18 --failures 5 \
    --models unet-sample,unet-sample:brs=off,default

# -- movies and stacks -------------------------------------------------------------------------------------------------

bench sequences --sequences effort --frames 10 --sources ctc_fluo_n2dl_hela_01,qcanet_embryo_nuclei
bench sequences --sequences effort --frames 8 --side 400 --sources usiigaci_t98g_timelapse
bench sequences --sequences effort --frames 8 --side 100 --sources neuroproof_fibsem
bench sequences --sequences review --frames 10 --sources $SEQUENCES
bench sequences --sequences cost --frames 40 --side 512 --sources ctc_fluo_n2dl_hela_01
bench suggestions --suggest 1 --models default
bench whole-job --suggest 1 --whole-job --models default
bench learning --learn 1 --sources omnipose_bacteria,usiigaci_t98g_timelapse,isbi2012_membrane

# -- the page ----------------------------------------------------------------------------------------------------------

for name in clicks brs baselines starts refinements backpropagation; do
    pack $name "$OUT/bench/$name/clicks.csv"
done
pack robots "$OUT"/bench/robots-{spbox,itis}/clicks.csv
pack speed "$OUT/bench/clicks/clicks.csv"
pack conversion "$OUT/bench/conversion/conversion.csv"
for name in effort review carrying; do
    pack $name "$OUT/bench/sequences/$name.csv"
done
cp "$OUT/bench/clicks/memory.csv" "$DOCS/results/memory.csv"

clickseg bench --report "$DOCS/results/clicks.csv.gz" --out "$DOCS/results"
for page in "$DOCS/benchmark.md" "$DOCS/../README.md"; do
    clickseg bench --page "$page" --report "$DOCS/results"
done
