package e2e_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"thalassa/internal/testkit"
)

// TestGatewaysAndPools is the worked example of the dialect below /v1, with HAProxy: two
// endpoints, two pools, a weight, a commit and its dashboard; then what needs no reload.
func TestGatewaysAndPools(t *testing.T) { onEveryHAProxy(t, gatewaysAndPools) }

func gatewaysAndPools(t *testing.T) {
	t.Helper()
	n := newNode(t, "127.0.0.1:1")
	n.start()
	other := testkit.Port(t)
	a, b, c := named(t, "a"), named(t, "b"), named(t, "c")
	put := func(path, body string) { n.call(200, http.MethodPut, "/v1"+path, body) }
	put("/gateways/gateHTTP", fmt.Sprintf(`{"gateway":"gateHTTP","protocol":"http","endpoints":{"endOne":%q,"endTwo":"127.0.0.1:%d"},"enable":"True"}`, n.address(), other))
	put("/pools/eta", fmt.Sprintf(`{"enabled":true,"targets":{"targetS1":%q,"targetS2":"12.1.0.4:8080","targetS4":"12.1.0.1:443","targetS5":"12.1.0.6:442","targetS6":"12.1.3.4:80","targetS7":"12.1.0.3:80"}}`, a))
	put("/pools/theta", fmt.Sprintf(`{"enabled":true,"targets":{"targetT1":%q,"targetT2":"172.1.0.4:8080","targetT3":"172.1.0.1:443"}}`, b))
	put("/pools/eta/targets/targetS1", fmt.Sprintf(`{"address":%q,"weight":200,"enabled":true}`, a))
	if _, list := n.try(http.MethodGet, "/revisions", ""); strings.TrimSpace(list) != "[]" {
		t.Errorf("edits before the commit are in effect: %s", list)
	}
	done := n.call(200, http.MethodPost, "/v1/controller/commit", "")
	dashboard := "http://127.0.0.1:" + done["Listen Port"].(string) + "/__haproxy/dashboard"
	if status, text := fetchPage(t, dashboard); status != 200 || !strings.Contains(text, "gateHTTP") || done["HaProxy Status"] != "Started" {
		t.Errorf("commit answers %v, the dashboard %d", done, status)
	}
	if status, _ := fetchPage(t, fmt.Sprintf("http://127.0.0.1:%d/", other)); status != 503 {
		t.Errorf("a gateway without a pool answers %d", status)
	}
	if !strings.Contains(n.config(), a+" check inter 2000ms weight 200") {
		t.Errorf("the weight is not in haproxy.cfg:\n%s", n.config())
	}

	for _, target := range []string{"targetS2", "targetS4", "targetS5", "targetS6", "targetS7"} {
		n.call(200, http.MethodDelete, "/v1/pools/eta/targets/"+target, "")
	}
	put("/gateways/gateHTTP/pools/eta", "")
	commit := func() map[string]any { return n.call(200, http.MethodPost, "/v1/controller/commit", "") }
	commit()
	serves := func(want ...string) {
		t.Helper()
		testkit.Eventually(t, patience, func() error {
			seen := map[string]bool{}
			for range 20 {
				_, body := fetchPage(t, fmt.Sprintf("http://127.0.0.1:%d/", other))
				seen[body] = true
			}
			if len(seen) != len(want) || slices.ContainsFunc(want, func(w string) bool { return !seen[w] }) {
				return fmt.Errorf("%v answer, want %v", seen, want)
			}
			return nil
		})
	}
	serves("a")
	put("/pools/eta", fmt.Sprintf(`{"targets":{"more":%q}}`, b)) // another target
	n.call(200, http.MethodDelete, "/v1/pools/theta", "")
	done = commit()
	worker := done["PID"] // of the reload for a backend less
	serves("a", "b")
	put("/pools/eta/targets/targetS1", fmt.Sprintf(`{"address":%q,"weight":7,"enabled":false}`, a))
	put("/pools/eta/targets/more", fmt.Sprintf(`{"address":%q,"weight":9}`, c))
	if done = commit(); done["PID"] != worker {
		t.Errorf("a weight, a state and an address took a reload: %v", done)
	}
	serves("c")
	testkit.Eventually(t, patience, func() error { // the file follows what HAProxy runs
		if config := n.config(); strings.Contains(config, a+" ") || !strings.Contains(config, c+" check inter 2000ms weight 9") {
			return fmt.Errorf("haproxy.cfg has a disabled target, or not the other:\n%s", config)
		}
		return nil
	})

	before := n.config()
	put("/pools/eta/policy", `{"policy":"leastconn","weights":2}`)
	n.call(200, http.MethodPut, "/frontends/bad?draft=v1", `{"bind":"127.0.0.9:1","backend":"eta","natives":["nonsense here"]}`)
	refused := n.call(422, http.MethodPost, "/v1/controller/commit", "")
	if !strings.Contains(fmt.Sprint(refused["output"]), "nonsense") || n.config() != before {
		t.Errorf("refused with %v", refused)
	}
	serves("c")
}

// TestEachKeepsItsOwn: gateways keep their default pools and protocols, and pools their
// policies, whatever the others have.
func TestEachKeepsItsOwn(t *testing.T) { onEveryHAProxy(t, eachKeepsItsOwn) }

func eachKeepsItsOwn(t *testing.T) {
	t.Helper()
	n := newNode(t, "127.0.0.1:1")
	n.start()
	ports := testkit.Ports(t, 4)
	a, b := named(t, "a"), named(t, "b")
	address := func(i int) string { return fmt.Sprintf("127.0.0.1:%d", ports[i]) }
	put := func(path, body string) { n.call(200, http.MethodPut, "/v1"+path, body) }
	put("/pools/y", fmt.Sprintf(`{"targets":{"ta":%q}}`, a))
	put("/pools/x", fmt.Sprintf(`{"targets":{"tb":%q}}`, b))
	put("/pools/bare", `{"targets":{}}`)
	put("/pools/y/policy", `{"policy":"leastconn","weights":3}`)
	put("/pools/x/policy", `{"policy":"source","weights":5}`)
	put("/gateways/second", fmt.Sprintf(`{"protocol":"http","endpoints":{"s":%q},"defaultBack":"y"}`, address(0))) // not in the order of names
	put("/gateways/first", fmt.Sprintf(`{"protocol":"tcp","endpoints":{"f":%q},"defaultBack":"x"}`, address(1)))
	put("/gateways/third", fmt.Sprintf(`{"protocol":"http","endpoints":{"t":%q},"defaultBack":"bare"}`, address(2)))
	put("/gateways/off", fmt.Sprintf(`{"protocol":"http","endpoints":{"o":%q},"defaultBack":"y","enable":"False"}`, address(3)))
	n.call(200, http.MethodPost, "/v1/controller/commit", "")
	for i, want := range []string{"200 a", "200 b", "503", "0"} {
		testkit.Eventually(t, patience, func() error {
			status, body := fetchPage(t, "http://"+address(i)+"/")
			if got := fmt.Sprintf("%d %s", status, body); !strings.HasPrefix(got, want) {
				return fmt.Errorf("%s answers %.200q, want %s", address(i), got, want)
			}
			return nil
		})
	}
	sections := map[string]string{}
	for text := range strings.SplitSeq(n.config(), "\n\n") {
		header, lines, _ := strings.Cut(strings.TrimSpace(text), "\n")
		sections[header] = lines
	}
	for header, want := range map[string][]string{
		"backend y":       {"balance leastconn", "weight 3", "mode http"},
		"backend x":       {"balance source", "weight 5", "mode tcp"},
		"backend bare":    {"mode http"},
		"frontend second": {"default_backend y", "mode http"},
		"frontend first":  {"default_backend x", "mode tcp"},
		"frontend third":  {"default_backend bare"},
		"frontend off":    {"disabled", "default_backend y"},
	} {
		for _, line := range want {
			if !strings.Contains(sections[header], line) {
				t.Errorf("%s has no %q:\n%s", header, line, sections[header])
			}
		}
	}
}

// named is a server that answers with its name, at an address of its own.
func named(t *testing.T, name string) (address string) {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, name) }))
	t.Cleanup(s.Close)
	return strings.TrimPrefix(s.URL, "http://")
}

func fetchPage(t *testing.T, url string) (status int, body string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
	if err != nil {
		return 0, err.Error()
	}
	defer res.Body.Close()
	data, _ := io.ReadAll(res.Body)
	return res.StatusCode, string(data)
}
