package discovery_test
import ("testing";"time";"thalassa/discovery";"thalassa/internal/testkit";"net/http";"io")
func TestZZ(t *testing.T) {
	consul := testkit.Consul(t)
	names := serviceNames(60)
	registerMany(consul, names, true)
	w := watch(t, discovery.Config{Address: consul.Address()}, names...)
	awaitAll(t, w, names, "an instance of each service", instances(1))
	consul.SetMaintenance("", true)
	awaitAll(t, w, names, "m", status("maintenance"))
	_ = 0
	consul.SetMaintenance("", false)
	for range 3 {
		pauseTest(t, time.Second)
		var l []string
		for n, s := range w.Snapshot().Services { if s.Instances[0].Status=="maintenance" { l = append(l, string(n)) } }
		t.Log(l)
		if len(l)>0 {
			for _, q := range []string{"", "?index=1&wait=1s", "?index=100&wait=1s"} {
			resp, _ := http.Get("http://"+consul.Address()+"/v1/health/service/"+l[0]+q)
			b, _ := io.ReadAll(resp.Body)
			t.Log(resp.Header, len(b))
			}
		}
	}
}
