package cli

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"thalassa/client"
	"thalassa/cluster"
)

// An agent that is killed with the request under way, and starts again, gets it again, also while it
// does not know the cluster yet. One that does not know it at first is not asked again.
func TestAnActionWhoseAgentStartsAgain(t *testing.T) {
	t.Parallel()
	for first, want := range map[string]int32{"lost": 3, "not known yet": 1} {
		t.Run(first, func(t *testing.T) {
			t.Parallel()
			var asked atomic.Int32
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				switch n := asked.Add(1); {
				case n == 1 && first == "lost":
					panic(http.ErrAbortHandler)
				case n <= 2:
					w.Header().Set("Content-Type", "application/json")
					w.WriteHeader(http.StatusServiceUnavailable)
					fmt.Fprint(w, `{"error":{"code":"unavailable","message":"the state of the cluster is not known yet"}}`)
				default:
					w.Header().Set("Content-Type", "application/json")
					w.WriteHeader(http.StatusAccepted)
					fmt.Fprint(w, `{"id":"0123456789abcdef0123","kind":"leave","state":"running"}`)
				}
			}))
			defer server.Close()
			agent, err := client.New(client.Config{Address: server.URL})
			if err != nil {
				t.Fatal(err)
			}
			j, err := beginJob(t.Context(), agent, cluster.Action{Kind: cluster.Leave, Node: "n3"})
			if asked.Load() != want || (err == nil) != (first == "lost") {
				t.Errorf("asked %d times, expected %d: %+v, %v", asked.Load(), want, j, err)
			}
		})
	}
}
