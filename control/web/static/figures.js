// Numbers with their units. What was not measured is null or undefined here, and "n/a" on the page, never 0.

export const NOT_MEASURED = "n/a";

export const isMeasured = (value) => value !== null && value !== undefined;

const measured = (value, show) => (isMeasured(value) ? show(value) : NOT_MEASURED);

const trimmed = (value, digits) => String(Number(value.toFixed(digits)));

// A share of 0 to 100; never rounded to all or nothing.
export function percent(value) {
  return measured(value, (share) => {
    if (share > 99.99 && share < 100) return ">99.99%";
    if (share > 0 && share < 0.01) return "<0.01%";
    return `${trimmed(share, 2)}%`;
  });
}

// A share of 0 to 1.
export const ratio = (value) => measured(value, (share) => percent(share * 100));

// Seconds of a duration as JSON carries it ("0.088s"); undefined where it is absent.
export const seconds = (text) => (isMeasured(text) ? Number.parseFloat(text) : undefined);

export function latency(value) {
  return measured(value, (time) => {
    if (time >= 0.9995) return `${threeDigits(time)} s`;
    if (time >= 0.0009995) return `${threeDigits(time * 1e3)} ms`;
    return time > 0 ? `${trimmed(time * 1e6, 0)} µs` : "0 ms";
  });
}

const threeDigits = (number) => trimmed(number, number >= 99.95 ? 0 : number >= 9.995 ? 1 : 2);

export function perSecond(value) {
  return measured(value, (rate) => `${trimmed(rate, rate >= 100 ? 0 : rate >= 10 ? 1 : 2)}/s`);
}

export const count = (value) => Number(value).toLocaleString("en-US");

// Seconds as a clock's reading: 45s, 12m 05s, 1h 02m, 3d 04h.
export function clock(value) {
  const whole = Math.max(0, Math.floor(value));
  if (whole < 60) return `${whole}s`;
  if (whole < 3600) return units(whole, 60, "m", 1, "s");
  return whole < 86400 ? units(whole, 3600, "h", 60, "m") : units(whole, 86400, "d", 3600, "h");
}

function units(whole, size, unit, smaller, smallerUnit) {
  const rest = Math.floor((whole % size) / smaller);
  return Math.floor(whole / size) + unit + (rest ? ` ${String(rest).padStart(2, "0")}${smallerUnit}` : "");
}

// How long before `now`, both as JSON carries times.
export const age = (time, now) => `${clock((Date.parse(now) - Date.parse(time)) / 1000)} ago`;

// The time of day of a time as JSON carries it, by the reader's clock.
export const timeOfDay = (time) => new Date(time).toLocaleTimeString("en-GB");

export const snapshot = (epoch, version) => (Number(epoch) || Number(version) ? `${epoch}.${version}` : "none");

// A criterion's value or bound, in the unit of its metric.
export function measure(sentence, value) {
  return measured(value, (number) => {
    if (sentence.startsWith("latency")) return latency(number);
    return /^(error_rate|match_rate|accuracy)/.test(sentence) ? ratio(number) : trimmed(number, 4);
  });
}
