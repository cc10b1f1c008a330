// The stream of states: opened, watched, and opened again when it breaks.

const SILENCE = 15_000; // the control service speaks at least every five seconds
const AGAIN = 2_000;

// Calls `onState` with each state, and `onBreak` whenever they stop coming.
export function follow(onState, onBreak) {
  let source = null;
  let timer = 0; // until the silence counts as a break, or until the next attempt

  function open() {
    clearTimeout(timer);
    source?.close();
    source = new EventSource("/api/events");
    source.onmessage = (event) => {
      wait(SILENCE, lose);
      onState(JSON.parse(event.data));
    };
    source.onerror = lose;
    wait(SILENCE, lose);
  }

  function lose() {
    source.close();
    onBreak();
    wait(AGAIN, open);
  }

  function wait(time, then) {
    clearTimeout(timer);
    timer = setTimeout(then, time);
  }

  addEventListener("online", open);
  open();
}
