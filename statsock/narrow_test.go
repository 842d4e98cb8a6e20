package statsock_test

import (
	"fmt"
	"net/http"
	"testing"

	"thalassa/internal/testkit"
	"thalassa/statsock"
)

// TestNarrowedStatistics asks every release at hand for the servers of one
// backend, under names that HAProxy would take for something else.
func TestNarrowedStatistics(t *testing.T) {
	for _, binary := range testkit.HAProxies(t) {
		t.Run(binary.Version, func(t *testing.T) {
			address := fmt.Sprintf("127.0.0.1:%d", testkit.Port(t))
			web := testkit.StartWeb(t, "hello")
			h := testkit.RunHAProxy(t, binary.Path, testkit.HAProxyConfig{
				Address: address, Frontend: []string{"default_backend web"},
				// Lines of further sections.
				Defaults: []string{
					"", "\nbackend web", fmt.Sprintf("server s1 127.0.0.1:%d weight 7", web.Port), "server s2 127.0.0.1:1 disabled",
					"\nbackend 1", "server a 127.0.0.1:2 disabled", "server b [::1]:2 disabled",
				},
			})
			client := statsock.New(h.StatsSocket)
			testkit.Eventually(t, patience, func() error { _, err := client.ShowInfo(t.Context()); return err })
			testkit.Eventually(t, patience, func() error {
				res, err := http.Get("http://" + address)
				if err == nil {
					err = res.Body.Close()
				}
				return err
			})

			backends, err := client.ShowStatOf(t.Context(), -1, statsock.KindBackend)
			if err != nil || len(backends) != 2 || backends[0].Proxy != "web" || backends[1].Proxy != "1" || backends[0].Kind != statsock.KindBackend {
				t.Fatalf("backends: %+v, %v", backends, err)
			}
			servers, err := client.ShowStatOf(t.Context(), backends[0].ProxyID, statsock.KindServer)
			if err != nil || len(servers) != 2 {
				t.Fatalf("servers: %+v, %v", servers, err)
			}
			if s := servers[0]; s.Proxy != "web" || s.Server != "s1" || s.Address != fmt.Sprintf("127.0.0.1:%d", web.Port) || s.Weight != 7 ||
				s.TotalSessions != 1 || s.Responses[1] != 1 || s.Status != "no check" {
				t.Errorf("s1: %+v", s)
			}
			if s := servers[1]; s.Server != "s2" || s.Address != "127.0.0.1:1" || s.Status != "MAINT" {
				t.Errorf("s2: %+v", s)
			}
			servers, err = client.ShowStatOf(t.Context(), backends[1].ProxyID, statsock.KindServer)
			if err != nil || len(servers) != 2 || servers[1].Address != "[::1]:2" {
				t.Errorf("servers: %+v, %v", servers, err)
			}
			if all, err := client.ShowStatOf(t.Context(), -1, statsock.KindServer); err != nil || len(all) != 4 {
				t.Errorf("all servers: %+v, %v", all, err)
			}
			if none, err := client.ShowStatOf(t.Context(), 1<<20, statsock.KindServer); err != nil || len(none) != 0 {
				t.Errorf("servers of no backend: %+v, %v", none, err)
			}
		})
	}
}
