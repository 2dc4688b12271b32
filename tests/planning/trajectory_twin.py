"""Plain NumPy twins of csrc/trajectory: slow, short, with nothing in common but the contract."""

import numpy as np

SITE_NORMAL, SITE_CHOICE = 1, 2


def philox(counter, key):
    """Philox4x32-10 on arrays of words, in 64-bit integers."""
    c0, c1, c2, c3 = (np.asarray(c, np.uint64) for c in counter)
    k0, k1 = (np.uint64(k) for k in key)
    mask = np.uint64(0xFFFFFFFF)
    for _ in range(10):
        p0, p1 = c0 * np.uint64(0xD2511F53), c2 * np.uint64(0xCD9E8D57)
        c0, c1 = (p1 >> np.uint64(32)) ^ c1 ^ k0, p1 & mask
        c2, c3 = (p0 >> np.uint64(32)) ^ c3 ^ k1, p0 & mask
        k0, k1 = (k0 + np.uint64(0x9E3779B9)) & mask, (k1 + np.uint64(0xBB67AE85)) & mask
    return c0, c1, c2, c3


def words(seed, row, iteration, site, numbers, draws):
    """The first `draws` words of each of `numbers` streams of one problem, [numbers, draws]."""
    blocks = -(-draws // 4)
    block = np.arange(numbers * blocks)
    full = np.full_like(block, 0)
    out = philox(
        (block, full + site, full + iteration, full + row), (seed & 0xFFFFFFFF, seed >> 32)
    )
    return np.stack(out, -1).reshape(numbers, blocks * 4)[:, :draws]


def uniform(bits):
    """Open interval (0, 1), 23 bits and a half."""
    return ((bits >> np.uint64(9)).astype(np.float64) + 0.5) * 2.0**-23


def white(seed, row, iteration, numbers, draws):
    """Standard normal numbers by Box and Muller, [numbers, draws], in double precision."""
    even = draws + draws % 2
    unit = uniform(words(seed, row, iteration, SITE_NORMAL, numbers, -(-even // 4) * 4))
    pairs = unit.reshape(numbers, -1, 2)
    radius, angle = np.sqrt(-2 * np.log(pairs[..., 0])), 2 * np.pi * pairs[..., 1]
    both = np.stack((radius * np.cos(angle), radius * np.sin(angle)), -1)
    return both.reshape(numbers, -1)[:, :draws]


def fill_normal(shape, seeds, rows, iteration, mean, std, low, high, basis):
    """The population [H, B, C, D] that the kernel draws."""
    horizon, batch, count, width = shape
    out = np.empty(shape)
    for b in range(batch):
        knots = horizon if basis is None else basis.shape[1]
        z = white(int(seeds[b]), int(rows[b]), iteration, count * width, knots)
        x = z if basis is None else z @ basis.T.astype(np.float64)
        x = x.reshape(count, width, horizon).transpose(2, 0, 1)
        out[:, b] = np.clip(mean[b][:, None] + std[b][:, None] * x, low, high)
    return out


def fill_choices(shape, seeds, rows, iteration, chances):
    """The population of choices, [H, B, C, D]."""
    horizon, batch, count, width = shape
    out = np.empty(shape)
    for b in range(batch):
        u = uniform(
            words(int(seeds[b]), int(rows[b]), iteration, SITE_CHOICE, count * width, horizon)
        )
        u = u.reshape(count, width, horizon)
        for t in range(horizon):
            for d in range(width):
                p = chances[b, t, d].astype(np.float64)
                ends = np.cumsum(p)
                ends[np.flatnonzero(p)[-1] :] = np.inf
                out[t, b, :, d] = (u[:, d, t, None] * p.sum() >= ends).sum(1)
    return out


def elites(scores, count):
    """The best candidates, ties by the lower index."""
    return np.argsort(-scores, axis=1, kind="stable")[:, :count]


def soft_weights(scores, temperature):
    """A softmax in double precision; all zero where nothing is finite."""
    out = np.zeros(scores.shape)
    for row, one in zip(out, scores.astype(np.float64), strict=True):
        if np.isfinite(one.max()):
            e = np.exp((one - one.max()) / temperature)
            row[:] = e / e.sum()
    return out


def moments(population, weights):
    """Weighted mean and deviation, each [B, H, D]."""
    mean = np.einsum("hbcd,bc->bhd", population, weights)
    off = population - mean.transpose(1, 0, 2)[:, :, None]
    return mean, np.sqrt(np.einsum("hbcd,bc->bhd", off**2, weights))


def returns(reward, cont, discounts, tail):
    """What sequences bring, step by step, in double precision."""
    total, alive = np.zeros(reward.shape[1]), np.ones(reward.shape[1])
    for t in range(len(reward)):
        total += discounts[t] * alive * reward[t]
        if cont is not None:
            alive = alive * cont[t]
    weight = discounts[-1] * alive
    return total if tail is None else total + np.where(weight > 0, weight * tail, 0.0)


def frequencies(population, weights, actions):
    """The weight of each choice, [B, H, D, A]."""
    hits = population[..., None] == np.arange(actions)
    return np.einsum("hbcda,bc->bhda", hits, weights)


def coloured(z_real, z_imaginary, beta):
    """Power-law noise [n, H] from the normal numbers of each frequency."""
    horizon = 2 * (z_real.shape[1] - 1) + (z_imaginary.shape[1] == z_real.shape[1] - 1)
    frequency = np.fft.rfftfreq(horizon)
    frequency[0] = frequency[1]
    scale = frequency ** (-beta / 2)
    spectrum = z_real * scale + 0j
    spectrum[:, 0] *= np.sqrt(2)
    spectrum[:, 1 : 1 + z_imaginary.shape[1]] += (
        1j * z_imaginary * scale[1 : 1 + z_imaginary.shape[1]]
    )
    tail = scale[1:].copy()
    if horizon % 2 == 0:
        spectrum[:, -1] *= np.sqrt(2)
        tail[-1] /= 2
    sigma = 2 * np.sqrt((tail**2).sum()) / horizon
    return np.fft.irfft(spectrum, horizon) / sigma
