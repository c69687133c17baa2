/** A UTC time in the reader's own time zone and habits. */
export function LocalTime({ time }: { time: string }) {
  const date = new Date(time);
  const text = Number.isNaN(date.getTime())
    ? time
    : new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" }).format(date);
  return <time dateTime={time}>{text}</time>;
}
