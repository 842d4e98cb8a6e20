package e2e_test

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"thalassa/internal/testkit"
)

// The ACL rules and the service definition of docs/consul.md are enough for an agent
// that registers itself and a frontend, and no rule is missing from them.
func TestConsulPage(t *testing.T) {
	data, err := os.ReadFile("../docs/consul.md")
	if err != nil {
		t.Fatal(err)
	}
	list, err := blocks(data)
	if err != nil {
		t.Fatal(err)
	}
	var hcl []string
	for _, b := range list {
		if b.language == "hcl" {
			hcl = append(hcl, b.text)
		}
	}
	if len(hcl) != 2 {
		t.Fatalf("the page has %d blocks in HCL, expected a service and rules", len(hcl))
	}
	consul := testkit.Consul(t, `acl {
		enabled = true
		default_policy = "deny"
		tokens { initial_management = "`+management+`", agent = "`+management+`", default = "`+management+`" }
	}`, hcl[0])
	consul.Token = management
	testkit.Eventually(t, patience, func() error {
		if code, body := consul.Try(http.MethodGet, "/v1/agent/service/shop-1", nil); code != http.StatusOK || !strings.Contains(string(body), `"version": "1.0.0"`) {
			return fmt.Errorf("%d %s", code, body)
		}
		return nil
	})
	m := &matrix{tb: t}
	token, _ := consul.NewToken("page", hcl[1])
	service(t, consul, "1.0.0", 1)
	n := newNode(t, consul.Address())
	m.write(n.path("token"), token)
	n.flags = append(n.flags, "--consul-token-file", n.path("token"))
	n.start()
	n.call(200, http.MethodPut, "/backends/live", `{"type":"dynamic","name":"shop","version":"1.0.0"}`)
	n.call(200, http.MethodPut, "/frontends/web", fmt.Sprintf(`{"bind":"127.0.0.1:%d","backend":"live","register":{"name":"shop-front"}}`, n.web))
	n.answers("1.0.0-0")
	for _, name := range []string{"thalassa", "shop-front"} {
		testkit.Eventually(t, patience, func() error {
			if answer := string(consul.Do(http.MethodGet, "/v1/health/service/"+name+"?passing=1", nil)); !strings.Contains(answer, `"Service"`) {
				return fmt.Errorf("%s is not registered: %s\n%s", name, answer, n.log)
			}
			return nil
		})
	}
	if log := n.log.String(); strings.Contains(log, "Permission denied") || strings.Contains(log, "ACL") {
		t.Errorf("the rules are not enough: %s", log)
	}
	args := n.arguments()
	args[0] = "check"
	if out, err := exec.Command(build(t), append(args, "--port", "0")...).CombinedOutput(); !strings.Contains(string(out), "consul") || regexp.MustCompile(`\b403\b`).Match(out) {
		t.Errorf("thalassa check: %v\n%s", err, out)
	}
}
