import dataclasses

import pytest

from hwr_hf.ma2023.study import BUDGETS, HONEST, IMAGENET, LEAKY, NETWORKS, Run, planned_runs

FULL, CPU = BUDGETS["full"], BUDGETS["cpu"]


def test_the_full_study_trains_every_network_on_each_protocol():
    runs = planned_runs(FULL)
    for protocol in (LEAKY, HONEST):
        trained = [run.network for run in runs if run.protocols == (protocol,)]
        assert set(trained) == set(NETWORKS)


def test_the_study_for_a_cpu_trains_every_network_once_for_both_protocols():
    runs = planned_runs(CPU)
    assert {run.protocols for run in runs} == {(LEAKY, HONEST)}
    assert {run.network for run in runs} == set(NETWORKS)


@pytest.mark.parametrize("budget", [FULL, CPU], ids=["full", "cpu"])
def test_deskewing_is_the_only_difference_within_its_factor(budget):
    runs = planned_runs(budget)
    (once,) = [run for run in runs if run.num_deskew_passes == 1]
    assert {dataclasses.replace(once, num_deskew_passes=passes) for passes in (0, 1, 2)} <= set(
        runs
    )


def test_with_imagenet_weights_one_network_is_trained_from_scratch_beside_its_twin():
    runs = planned_runs(FULL, pretrained=True)
    (scratch,) = [
        run for run in runs if run.network == "cnn_rnn" and run.initial_weights != IMAGENET
    ]
    assert dataclasses.replace(scratch, initial_weights=IMAGENET) in runs


def test_every_run_has_a_name_of_its_own():
    runs = planned_runs(FULL, pretrained=True)
    assert len({run.name for run in runs}) == len(runs)
    assert Run((LEAKY,), "cnn_rnn", 1, IMAGENET).name == "leaky-cnn_rnn-deskew1-imagenet"


def test_narrow_networks_refuse_imagenet_weights():
    with pytest.raises(ValueError, match="--budget full"):
        planned_runs(CPU, pretrained=True)


def test_the_full_budget_has_the_sizes_of_the_paper():
    config = FULL.config(NETWORKS["cnn_rnn"])
    assert (config.depths, config.hidden_sizes) == ([3, 4, 6, 3], [64, 128, 256, 512])
    assert (config.num_steps, config.num_lstm_layers, FULL.image_size) == (96, 4, 224)
