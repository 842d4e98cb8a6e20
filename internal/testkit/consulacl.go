package testkit

import (
	"encoding/json"
	"errors"
	"net/http"
	"testing"
	"time"
)

// managementToken is the token of a GuardedConsul that may do everything.
const managementToken = "11111111-2222-3333-4444-555555555555"

// GuardedConsul starts a Consul that denies what no token allows. The functions of the agent use a
// token that may do everything.
func GuardedConsul(tb testing.TB) *ConsulAgent {
	tb.Helper()
	c := Consul(tb, `acl {
		enabled = true
		default_policy = "deny"
		tokens { initial_management = "`+managementToken+`", agent = "`+managementToken+`" }
	}`)
	c.Token = managementToken
	Eventually(tb, 30*time.Second, func() error {
		if code, _ := c.Try(http.MethodGet, "/v1/acl/token/self", nil); code != http.StatusOK {
			return errors.New("the management token is not known yet")
		}
		return nil
	})
	return c
}

// NewToken makes a token of a GuardedConsul that is allowed what rules say. setRules changes that.
func (c *ConsulAgent) NewToken(name, rules string) (secret string, setRules func(string)) {
	c.tb.Helper()
	var policy struct{ ID string }
	c.decode(c.Do(http.MethodPut, "/v1/acl/policy", map[string]string{"Name": name, "Rules": rules}), &policy)
	var token struct{ SecretID string }
	c.decode(c.Do(http.MethodPut, "/v1/acl/token", map[string]any{"Policies": []map[string]string{{"ID": policy.ID}}}), &token)
	return token.SecretID, func(rules string) {
		c.tb.Helper()
		c.Do(http.MethodPut, "/v1/acl/policy/"+policy.ID, map[string]string{"Name": name, "Rules": rules})
	}
}

func (c *ConsulAgent) decode(data []byte, v any) {
	c.tb.Helper()
	if err := json.Unmarshal(data, v); err != nil {
		c.tb.Fatal(err)
	}
}
