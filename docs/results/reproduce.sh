#!/usr/bin/env bash
# Every command behind docs/benchmark.md, in order, from a checkout: pip install ".[bench]".
# DATA is the folder of sources, OUT takes all that is made on the way. Stopped, the same call goes on where it was.
set -euo pipefail

DATA=${DATA:-shared/data}
OUT=${OUT:-clickseg-benchmark}
DOCS=$(cd "$(dirname "$0")/.." && pwd)
export CLICKSEG_MODELS=$OUT/models # where the models of this page lie, and are found by their names

FIVE=itis,spbox,forte99,ritm,brs
WEIGHTLESS=grabcut,random-walker,geodesic,superpixels
MICROSCOPY=coelho2009_u2os,ctc_fluo_n2dl_hela_01,dsb2018,isbi2012_membrane,neuroproof_fibsem,omnipose_bacteria
MICROSCOPY+=,qcanet_embryo_nuclei,tma_hdab_nuclei,usiigaci_phase,usiigaci_t98g_timelapse,wbc_dataset1
PHOTOGRAPHS=natural_grabcut,natural_davis16_val
THREE=dsb2018,usiigaci_phase,tma_hdab_nuclei

train() { # NAME RECIPE OPTIONS..: on one CPU core
    OMP_NUM_THREADS=1 clickseg train "${@:2}" --data "$DATA" --out "$OUT/train/$1" --device cpu
}

ablate() { # NAME STEPS RECIPE OPTIONS..: on small windows
    train "$1" "${@:3}" --name "$1" --steps "$2" --set side=96
}

bench() { # NAME OPTIONS..
    clickseg bench --data "$DATA" --seed 0 --device cpu --out "$OUT/bench/$1" "${@:2}"
}

pack() { # NAME RUN..: the tables of these runs as one
    awk 'FNR > 1 || NR == 1' "${@:2}" | gzip -9n >"$DOCS/results/$1.csv.gz"
}

# -- models ------------------------------------------------------------------------------------------------------------

for recipe in ${FIVE//,/ }; do
    train "$recipe" "$recipe" --minutes 15.5
done
train clickseg clickseg --name clickseg --minutes 15.5 # its recipe calls itself default

ablate ab-gaussian 300 clickseg --set 'encoding={clicks="gaussian", sizes=[5.0], cut=10.0, prior="probability"}'
ablate ab-distance 300 clickseg --set 'encoding={clicks="distance", sizes=[255.0], prior="probability"}'
ablate ri-full 300 ritm
ablate ri-nomask 300 ritm --set encoding.prior=none
ablate ri-bce 300 ritm --set 'losses={bce=1.0}'
ablate sp-box 300 spbox
ablate sp-maps 300 spbox --set encoding.prior=none
ablate fo-full 120 forte99
ablate fo-single 120 forte99 --set 'network_options={interaction=false}'

# -- clicks ------------------------------------------------------------------------------------------------------------

bench clicks --models "default,clickseg,$FIVE,$WEIGHTLESS" --sources "$MICROSCOPY,$PHOTOGRAPHS" --objects 25
bench refinements --sources "$THREE" --objects 12 --models "ritm,ritm:flip=off,ritm:closer=off,forte99,\
forte99:guided=off,brs,brs:brs=off,brs:brs=off:obey=on,default,default:obey=off,default:closer=off"
bench ablations --sources "$THREE" --objects 20 \
    --models ab-gaussian,ab-distance,ri-full,ri-nomask,ri-bce,fo-full,fo-single
bench ablations-pair --sources "$THREE" --objects 20 --models sp-box,sp-maps --robot pair
bench starts --models "default,$FIVE" --sources "$MICROSCOPY" --objects 3 --max-clicks 10 \
    --start scratch,damaged,automatic
bench robots --models default,ritm,spbox --sources "$THREE" --objects 6 \
    --robot centre,cluster,random,eroded,pair,human
OMP_NUM_THREADS=1 bench speed --models "default,$FIVE" --sources dsb2018 --objects 8 --jobs 1

# -- the page ----------------------------------------------------------------------------------------------------------

for name in clicks refinements starts robots speed; do
    pack "$name" "$OUT/bench/$name/clicks.csv"
done
pack ablations "$OUT/bench/ablations/clicks.csv" "$OUT/bench/ablations-pair/clicks.csv"
cp "$OUT/bench/speed/memory.csv" "$DOCS/results/memory.csv"

clickseg bench --report "$DOCS/results/clicks.csv.gz" --out "$DOCS/results"
for page in "$DOCS/benchmark.md" "$DOCS/../README.md"; do
    clickseg bench --page "$page" --report "$DOCS/results"
done
