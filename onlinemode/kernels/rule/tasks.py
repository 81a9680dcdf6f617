"""Several tasks: a sample is labelled by one of them, and one readout learns it; docs/theory, section 16.

A step of a sample is that of :mod:`onlinemode.kernels.rule.step`, with the readouts, the noise and the flips of its
task.  Nothing of this is compiled where there is one.
"""

import numpy as np

from onlinemode.kernels.jit import compiled
from onlinemode.kernels.random.uniforms import single_uniform
from onlinemode.kernels.rule.activations import add_values
from onlinemode.kernels.rule.losses import with_flips
from onlinemode.kernels.rule.step import Factors, Gradients, Rule, Small, Tasks, weight_of_teacher_unit


def task_data(heads, numbers):
    """What a kernel gets of tasks; ``numbers`` are how likely each is, then their noise, then their flips."""
    of_type = np.empty((len(numbers), 2))[:, 0]  # of the type of a row of a timetable, whose columns are contiguous
    of_type[:] = numbers
    return Tasks(np.zeros(len(numbers) // 3, np.int64) if heads is None else np.array(heads), of_type)


@compiled(inner=True, forceinline=True)
def draw_task(tasks, stream, replica, number, seed):
    """The task of sample ``number``; 0 where there is one."""
    if tasks is None:
        return 0
    uniform, last = single_uniform(stream, replica, number, seed), tasks.heads.size - 1
    task, below = 0, tasks.numbers[0]
    while uniform >= below and task < last:
        task += 1
        below += tasks.numbers[task]
    while tasks.numbers[task] == 0.0:  # where shares add up to a little less than 1
        task -= 1
    return task


@compiled(inner=True, forceinline=True)
def rule_of_task(rule, tasks, task):
    """The rule of one sample; ``tasks`` are those of the rule."""
    if tasks is None:
        return rule
    count = tasks.heads.size
    return Rule(rule.activation, rule.teacher_activation, rule.rates, tasks.numbers[count + task], rule.weight_decay,
                rule.batch, rule.N, rule.loss, with_flips(rule.labels, tasks.numbers[2 * count + task]), rule.dropout,
                rule.timetable, rule.tasks)


@compiled(inner=True, forceinline=True)
def small_of_task(small, tasks, task):
    """What the step of one sample works on: views of its readouts, and of the gradient of the student's."""
    if tasks is None:
        return small
    K, M, _ = small.sizes
    factors, sums, first, first_of_teacher = small.factors, small.gradients, tasks.heads[task] * K, task * M
    return Small(small.sizes,
                 Factors(factors.strengths, factors.xi_out, factors.readout[first:first + K],
                         factors.teacher_readout[first_of_teacher:first_of_teacher + M]),
                 small.work, Gradients(sums.strengths, sums.xi_out, sums.readout[first:first + K]))


@compiled(inner=True, forceinline=True)
def add_unit_of_tasks(rule, small, m, nu, count, of_samples, values, labels):
    """Add teacher unit m to the labels of many samples of the tasks ``of_samples``; ``values`` is space for them."""
    for b in range(count):
        values[b] = 0.0
    add_values(rule.teacher_activation, 1.0, nu, count, values)
    for b in range(count):
        labels[b] += weight_of_teacher_unit(small_of_task(small, rule.tasks, of_samples[b]), m) * values[b]
