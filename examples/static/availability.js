// Whether a recording is there, asked of the host without downloading anything. A host with an availability of its own
// answers the same question here.

const PAUSE = 2; // seconds until the next question, where the host does not say when

// Gives `state`: available, missing or unreachable; `type`, where it is available; and `retryAfter`, in seconds.
export async function availability(url) {
  const answer = await fetch(url, { method: "HEAD" }).catch(() => null);
  const retryAfter = Number(answer?.headers.get("Retry-After")) || PAUSE;
  if (answer?.ok) return { state: "available", type: answer.headers.get("Content-Type"), retryAfter };
  return { state: answer?.status === 404 ? "missing" : "unreachable", retryAfter };
}
