"""A short forecast of many series at once: damped trend, and earlier days where there are any. Pure arithmetic.

Without history: what is now stays. Where one of them has foretold better so far: the smoothed level, or Holt's linear
trend, damped (Gardner and McKenzie 1985, Forecasting trends in time series, Management Science 31(10), 1237-1246). With
history: the mean of
earlier days at that time, plus today's departure from it, which fades. Intervals come from the forecast's own errors so
far.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from citybrain.network import FloatArray

HORIZONS = (5, 15, 30)
"""Minutes ahead."""
LEVEL_GAIN, TREND_GAIN, DAMPING = 0.6, 0.2, 0.7
PROVEN = 0.8
"""The level is followed while its square errors so far are less than this share of those of the last value; a trend,
while its errors are less than this share of the level's and less than those of the last value."""
SLOT_MIN = 5
"""Minutes of a slot of the day."""
SLOTS = 24 * 60 // SLOT_MIN
FADING_MIN = 30.0
"""Time in which today's departure from earlier days fades to a third [min]."""
DAY_GAIN = 0.3
"""Weight of the newest day in the mean of earlier ones."""
ERROR_GAIN = 0.05
FEW = 5
"""With fewer errors known than this, an interval follows from the steps of one minute."""
NORMAL_95 = 1.96


class History:
    """Mean of earlier days per slot of the day and series; NaN where no day is known.

    Attributes
    ----------
    mean : [SLOTS, S].
    """

    def __init__(self, size: int) -> None:
        self.mean = np.full((SLOTS, size), np.nan)
        self._sum = np.zeros(size)
        self._minutes = 0
        self._slot = -1

    def minute(self, minute: int, value: FloatArray) -> None:
        """Take in the values [S] of a minute of the day; a slot is remembered when it is over."""
        slot = minute // SLOT_MIN % SLOTS
        if slot != self._slot:
            self._settle()
            self._slot = slot
        self._sum += value
        self._minutes += 1

    def _settle(self) -> None:
        if self._minutes:
            today, old = self._sum / self._minutes, self.mean[self._slot]
            self.mean[self._slot] = np.where(np.isnan(old), today, old + DAY_GAIN * (today - old))
        self._sum[:] = 0.0
        self._minutes = 0

    def at(self, minute: float) -> FloatArray:
        """Value [S] of earlier days at a minute of the day, linear between the middles of slots; NaN where unknown."""
        place = minute / SLOT_MIN - 0.5
        before = int(np.floor(place))
        part = place - before
        values: FloatArray = (1.0 - part) * self.mean[before % SLOTS] + part * self.mean[(before + 1) % SLOTS]
        return values


class Forecaster:
    """Forecasts of S series; the first of them have a history.

    Parameters
    ----------
    size : S. history : of the first series; None without.
    """

    def __init__(self, size: int, history: History | None = None) -> None:
        self._history = history
        self._level = np.zeros(size)
        self._trend = np.zeros(size)
        self._last = np.zeros(size)
        self._minutes = 0
        # Told, by the last value, by the level alone, by the trend.
        self._kept = np.zeros((4, sum(HORIZONS), size), dtype=np.float32)
        self._step = np.zeros(size)
        self._error = np.zeros((4, len(HORIZONS), size))
        self.ahead = np.zeros((len(HORIZONS), size))
        """[H, S] forecasts made in the last minute."""

    def minute(self, minute: int, value: FloatArray) -> None:
        """Take in the values [S] of a minute of the day, and look ahead."""
        self._judge(value)
        if not self._minutes:
            self._level[:], self._trend[:] = value, 0.0
        else:
            before = self._level.copy()
            drift = DAMPING * self._trend
            self._level[:] = LEVEL_GAIN * value + (1.0 - LEVEL_GAIN) * (before + drift)
            self._trend[:] = TREND_GAIN * (self._level - before) + (1.0 - TREND_GAIN) * drift
        trends = self._trends()
        self._look_ahead(minute, value, trends)
        base = 0
        for k, horizon in enumerate(HORIZONS):
            self._kept[:, base + self._minutes % horizon] = self.ahead[k], value, self._level, trends[k]
            base += horizon
        self._last[:] = value
        self._minutes += 1

    @property
    def half_width(self) -> FloatArray:
        """[H, S] half of the 95 % interval of every forecast."""
        widths = np.empty_like(self.ahead)
        for k, horizon in enumerate(HORIZONS):
            known = self._minutes - 1 - horizon
            widths[k] = NORMAL_95 * np.sqrt(self._error[0, k] if known >= FEW else horizon * self._step)
        return widths

    def _judge(self, value: FloatArray) -> None:
        """Compare the forecasts for this minute with what came."""
        if self._minutes:
            gain = max(ERROR_GAIN, 1.0 / self._minutes)
            self._step += gain * ((value - self._last) ** 2 - self._step)
        base = 0
        for k, horizon in enumerate(HORIZONS):
            known = self._minutes - horizon
            if known >= 0:
                gain = max(ERROR_GAIN, 1.0 / (known + 1))
                error = value - self._kept[:, base + self._minutes % horizon]
                self._error[:, k] += gain * (error**2 - self._error[:, k])
            base += horizon

    def _trends(self) -> FloatArray:
        """[H, S] what the damped trend foretells."""
        horizon = np.array(HORIZONS)[:, np.newaxis]
        reach = DAMPING * (1.0 - DAMPING**horizon) / (1.0 - DAMPING)
        trends: FloatArray = self._level + reach * self._trend
        return trends

    def _look_ahead(self, minute: int, value: FloatArray, trends: FloatArray) -> None:
        for k, horizon in enumerate(HORIZONS):
            proven = self._minutes - horizon >= FEW
            _, still, smooth, trend = self._error[:, k]
            calm = proven & (smooth < PROVEN * still)
            follow = proven & (trend < np.minimum(PROVEN * smooth, still))
            self.ahead[k] = np.where(follow, trends[k], np.where(calm, self._level, value))
        if self._history is not None:
            n = self._history.mean.shape[1]
            usual = self._history.at(minute)
            for k, horizon in enumerate(HORIZONS):
                then = self._history.at(minute + horizon)
                guess = then + np.exp(-horizon / FADING_MIN) * (self._level[:n] - usual)
                self.ahead[k, :n] = np.where(np.isnan(guess), self.ahead[k, :n], guess)
