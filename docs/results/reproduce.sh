#!/usr/bin/env bash
# Every command behind docs/benchmark.md, in order, from a checkout with the package in it: pip install -e ".[bench]".
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

ablate() { # NAME RECIPE OPTIONS..: 300 steps on small windows
    train "$1" "${@:2}" --name "$1" --steps 300 --set side=96
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

ablate ab-gaussian clickseg --set 'encoding={clicks="gaussian", sizes=[5.0], cut=10.0, prior="probability"}'
ablate ab-distance clickseg --set 'encoding={clicks="distance", sizes=[255.0], prior="probability"}'
ablate ri-full ritm
ablate ri-nomask ritm --set encoding.prior=none
ablate ri-bce ritm --set 'losses={bce=1.0}'
ablate sp-box spbox
ablate sp-maps spbox --set encoding.prior=none
ablate sp-distance spbox --set 'encoding={clicks="distance", sizes=[255.0], prior="none"}'
ablate fo-full forte99
ablate fo-single forte99 --set 'network_options={interaction=false}'

# -- clicks ------------------------------------------------------------------------------------------------------------

bench clicks --models "default,clickseg,$FIVE,$WEIGHTLESS" --sources "$MICROSCOPY,$PHOTOGRAPHS" --objects 25
bench refinements --sources "$THREE" --objects 25 \
    --models ritm,ritm:flip=off,ritm:closer=off,forte99,forte99:guided=off,default,default:obey=off,default:closer=off
bench ablations --sources "$THREE" --objects 40 \
    --models ab-gaussian,ab-distance,ri-full,ri-nomask,ri-bce,fo-full,fo-single
bench ablations-pair --sources "$THREE" --objects 40 --models sp-box,sp-maps,sp-distance --robot pair
bench starts --models "default,$FIVE" --sources "$MICROSCOPY" --objects 10 --max-clicks 10 \
    --start scratch,damaged,automatic
bench robots --models default,ritm --sources "$THREE" --objects 15 --robot centre,cluster,random,eroded,pair,human
OMP_NUM_THREADS=1 bench speed --models "default,$FIVE" --sources dsb2018 --objects 8 --jobs 1

# -- the page ----------------------------------------------------------------------------------------------------------

for name in clicks refinements starts robots speed; do
    pack "$name" "$OUT/bench/$name/clicks.csv"
done
pack ablations "$OUT/bench/ablations/clicks.csv" "$OUT/bench/ablations-pair/clicks.csv"
cp "$OUT/bench/speed/memory.csv" "$DOCS/results/memory.csv"

clickseg bench --report "$DOCS/results/clicks.csv.gz" --out "$DOCS/results"
clickseg bench --page "$DOCS/benchmark.md"
