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
MOVIES=ctc_fluo_n2dl_hela_01,usiigaci_t98g_timelapse
SEQUENCES=$MOVIES,qcanet_embryo_nuclei,neuroproof_fibsem

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

unet() { # NAME CLASS OPTIONS..: what the file does not tell was chosen on val
    clickseg convert "$OUT/unet/$1.pt" --class "$2" --name "unet-$1" --activation softmax --objects 1 --boundary 2 \
        --split yes --threshold 0.4 --smallest 15 "${@:3}"
}
BASIC='{"spatial_dims": 2, "in_channels": 3, "out_channels": 3, "features": [16, 16, 32, 64, 128, 16]}'
OMP_NUM_THREADS=1 python "$DOCS/results/train_unet.py" --network our --minutes 16 --data "$DATA" --out "$OUT/unet"
OMP_NUM_THREADS=1 python "$DOCS/results/train_unet.py" --network monai --minutes 6 --data "$DATA" --out "$OUT/unet"
python "$DOCS/results/export_unet.py" --weights "$OUT"/unet/{our,monai}.pt --out "$OUT/unet/formats" \
    --image "$DOCS/../src/napari_clickseg/samples/phase.tif" --table "$DOCS/results/formats.csv"
unet our napari_clickseg.networks.unet:UNet # the shipped unet-sample, where it was trained anew
unet monai monai.networks.nets:BasicUNet --kwargs "$BASIC" --trust # pip install monai

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
OMP_NUM_THREADS=1 bench backpropagation --sources "$THREE" --objects 6 --max-clicks 10 --jobs 1 \
    --models "$(printf '%s:brs=off,%s:brs=on,' {default,itis,spbox,forte99,ritm,brs,clickseg}{,} | sed 's/,$//')"
OMP_NUM_THREADS=1 bench conversion --correct --sources dsb2018,usiigaci_phase --images 18 --failures 5 \
    --models unet-sample,unet-sample:brs=off,default,unet-monai,unet-monai:brs=off
bench worst --worst --start damaged --max-clicks 10 --models "default,$FIVE" --sources natural_davis16_val --objects 20
bench worst-cells --worst --start damaged,automatic --max-clicks 10 --models "default,$FIVE" --sources "$SEQUENCES" --objects 8
bench worst-network --worst --start network --max-clicks 10 --models "default,$FIVE" --sources "$MOVIES" --objects 8
bench sequences --sequences effort --frames 10 --sources ctc_fluo_n2dl_hela_01,qcanet_embryo_nuclei
bench sequences --sequences effort --frames 8 --side 400 --sources usiigaci_t98g_timelapse
bench sequences --sequences effort --frames 8 --side 100 --sources neuroproof_fibsem
bench sequences --sequences review --frames 10 --sources "$SEQUENCES"
OMP_NUM_THREADS=1 bench sequences --sequences cost --frames 40 --side 512 --sources ctc_fluo_n2dl_hela_01
OMP_NUM_THREADS=1 bench speed --models "default,$FIVE" --sources dsb2018 --objects 8 --jobs 1

# -- the page ----------------------------------------------------------------------------------------------------------

for name in clicks refinements backpropagation starts robots speed; do
    pack "$name" "$OUT/bench/$name/clicks.csv"
done
pack worst "$OUT"/bench/worst{,-cells,-network}/clicks.csv
for name in effort review carrying; do
    pack "$name" "$OUT/bench/sequences/$name.csv"
done
pack conversion "$OUT/bench/conversion/conversion.csv"
pack ablations "$OUT/bench/ablations/clicks.csv" "$OUT/bench/ablations-pair/clicks.csv"
cp "$OUT/bench/speed/memory.csv" "$DOCS/results/memory.csv"

clickseg bench --report "$DOCS/results/clicks.csv.gz" --out "$DOCS/results"
for page in "$DOCS/benchmark.md" "$DOCS/../README.md"; do
    clickseg bench --page "$page" --report "$DOCS/results"
done
