package discovery_test
import ("testing";"time";"thalassa/discovery";"thalassa/internal/testkit";"net/http";"net/http/httputil";"net/url";"sync";"fmt";"strings";"bytes";"io")
func TestZZ(t *testing.T) {
	consul := testkit.Consul(t)
	names := serviceNames(60)
	registerMany(consul, names, true)
	u, _ := url.Parse("http://"+consul.Address())
	rp := httputil.NewSingleHostReverseProxy(u)
	var mu sync.Mutex
	logs := map[string][]string{}
	rp.ModifyResponse = func(r *http.Response) error {
		b, _ := io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(b))
		mu.Lock(); defer mu.Unlock()
		p := r.Request.URL.Path
		logs[p] = append(logs[p], fmt.Sprint(time.Now().Format("05.000"), " ", r.Request.URL.RawQuery, " -> ", r.Header["X-Consul-Index"], r.Header["X-Consul-Query-Backend"], bytes.Contains(b, []byte("_node_maint"))))
		return nil
	}
	srv := newLiar(t, func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		p := r.URL.Path
		logs[p] = append(logs[p], fmt.Sprint(time.Now().Format("05.000"), " ASK ", r.URL.RawQuery))
		mu.Unlock()
		rp.ServeHTTP(w, r)
	})
	w := watch(t, discovery.Config{Address: srv.URL}, names...)
	awaitAll(t, w, names, "an instance of each service", instances(1))
	consul.SetMaintenance("", true)
	awaitAll(t, w, names, "m", status("maintenance"))
	consul.SetMaintenance("", false)
	for range 2 {
		pauseTest(t, time.Second)
		for n, s := range w.Snapshot().Services { if s.Instances[0].Status=="maintenance" {
			mu.Lock()
			t.Log(n, s.Index, "\n", strings.Join(logs["/v1/health/service/"+string(n)], "\n"))
			t.Log("\n", strings.Join(logs["/v1/health/state/any"], "\n"))
			mu.Unlock()
			for _, q := range []string{"stale=&index=67&wait=1s", "stale=&index=68&wait=1s","index=67&wait=1s","index=68&wait=1s", "stale="} {
			resp, _ := http.Get("http://"+consul.Address()+"/v1/health/service/"+string(n)+"?"+q)
			b, _ := io.ReadAll(resp.Body)
			t.Log(q, resp.Header["X-Consul-Index"], resp.Header["X-Consul-Query-Backend"], bytes.Contains(b, []byte("_node_maint")))
			}
			t.FailNow()
		} }
	}
}
