package e2e_test

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"thalassa/api/hrapi"
	"thalassa/internal/testkit"
)

// A v1Request is one request below /v1. what names the line of its contract, or the fault of
// pyHrapi that it must not have.
type v1Request struct {
	what, method, path, body string
	status                   int
	want                     string // part of the answer without blanks
}

// Every request below /v1 against a real HAProxy, in an order in which a user could send
// them.
func TestEveryRequestOfV1(t *testing.T) { onEveryHAProxy(t, everyRequestOfV1) }

func everyRequestOfV1(t *testing.T) {
	t.Helper()
	n := newNode(t, "127.0.0.1:1")
	n.start()
	port, second := testkit.Port(t), testkit.Port(t)
	pair := testkit.NewAuthority(t).Issue(t, "shop.example")
	v := strings.NewReplacer("ADDRESS", n.address(), "OTHER", fmt.Sprintf("127.0.0.1:%d", port), "SECOND", fmt.Sprintf("127.0.0.1:%d", second),
		"ONLINE", named(t, "one"), "TWO", named(t, "two"), "PEM", pair.Chain+pair.Key)
	config := "defaults\n  mode http\n  timeout connect 5s\n  timeout client 30s\n  timeout server 30s\nfrontend up\n  bind OTHER\n  default_backend up\nbackend up\n  server s TWO\n"
	asked := map[string]bool{}
	for _, q := range []v1Request{
		{"empty list of gateways", "GET", "/v1/gateways", "", 200, `{"Gateways":[]}`},
		{"empty list of pools is no 404", "GET", "/v1/pools", "", 200, `{"Pools":[]}`},
		{"commit without a pool is no 500", "POST", "/v1/controller/commit", "", 409, "nopool"},
		{"variables", "GET", "/v1/haproxy/configuration/variables", "", 200, `"certificates:store"`},
		{"variables, short path", "GET", "/v1/haproxy/variables", "", 200, `"gateway:endpoint:port:min":"8000"`},
		{"no pending text", "GET", "/v1/haproxy/configuration/pending", "", 404, "nopending"},
		{"no pending text expanded is no 500", "GET", "/v1/haproxy/configuration/pending/expanded", "", 404, "nopending"},
		{"nothing to commit is no 500", "POST", "/v1/haproxy/configuration/commit", "", 404, `{"exception":"nopendingfound"}`},
		{"nothing to delete", "DELETE", "/v1/haproxy/configuration/pending", "", 404, "nopending"},
		{"dashboard before the commit", "GET", "/v1/controller/__haproxy/dashboard", "", 404, `"Offline"`},
		{"create a gateway without protocol is no 500", "PUT", "/v1/gateways/g", `{"endpoints":{}}`, 400, "protocol"},
		{"create a gateway; pools with unknown names make them", "PUT", "/v1/gateways/g", `{"gateway":"g","protocol":"http","endpoints":{"e":"ADDRESS"},"pools":{"eta":"ONLINE"},"enable":"True"}`, 200, `{"Addedgateway":"g"}`},
		{"without defaultBack it is None; only its own pools", "GET", "/v1/gateways/g", "", 200, `"defaultBack":"None"`},
		{"update without defaultBack is no 500", "PUT", "/v1/gateways/g", `{"endpoints":{"e":"ADDRESS"}}`, 200, `{"Modified":"g"}`},
		{"a failed PUT keeps nothing", "PUT", "/v1/gateways/g", `{"endpoints":{"x":"OTHER","y":"nowhere"}}`, 400, "endpoints.y"},
		{"a failed PUT has kept nothing", "GET", "/v1/gateways/g/endpoints", "", 200, `{"Endpoints":["e"],"Gateway":"g"}`},
		{"gateways", "GET", "/v1/gateways", "", 200, `{"Gateways":["g"]}`},
		{"an endpoint", "PUT", "/v1/gateways/g/endpoints/f", `{"address":"SECOND"}`, 200, `{"addedendpoint":"f"}`},
		{"an endpoint of no gateway", "PUT", "/v1/gateways/none/endpoints/f", `{"address":"SECOND"}`, 404, `{"Nosuchgateway":"none"}`},
		{"an endpoint with a certificate that there is not", "PUT", "/v1/gateways/g/endpoints/f", `{"address":"SECOND @none.pem"}`, 404, `{"certificateerror":"nosuchcertificate"}`},
		{"an endpoint without a port", "PUT", "/v1/gateways/g/endpoints/f", `{"address":"127.0.0.1"}`, 400, "address"},
		{"an endpoint shown", "GET", "/v1/gateways/g/endpoints/f", "", 200, `"SECOND"`},
		{"an endpoint removed", "DELETE", "/v1/gateways/g/endpoints/f", "", 200, `{"DeleteEndpoint":"f"}`},
		{"a missing endpoint removed is no 500", "DELETE", "/v1/gateways/g/endpoints/f", "", 404, `{"Nosuchendpoint":"f"}`},
		{"a gateway without endpoints", "PUT", "/v1/gateways/bare", `{"protocol":"http","endpoints":{}}`, 200, `{"Addedgateway":"bare"}`},
		{"its list of endpoints is empty", "GET", "/v1/gateways/bare/endpoints", "", 200, `{"Endpoints":[],"Gateway":"bare"}`},
		{"it is removed again", "DELETE", "/v1/gateways/bare", "", 200, `{"DeleteGateway":"bare"}`},
		{"pool of a gateway", "GET", "/v1/gateways/g/pools", "", 200, `{"Pools":["eta"]}`},
		{"a pool", "PUT", "/v1/pools/theta", `{"targets":{"t1":"TWO"}}`, 200, `{"Addedpool":"theta"}`},
		{"a pool changed without enabled is no 500", "PUT", "/v1/pools/theta", `{"targets":{"t2":"127.0.0.1:9"}}`, 200, `{"Modified":"theta"}`},
		{"enabled of another type is no 500", "PUT", "/v1/pools/theta", `{"enabled":"True","targets":{}}`, 400, "enabled"},
		{"a pool made disabled", "PUT", "/v1/pools/off", `{"enabled":false,"targets":{"o":"127.0.0.1:7"}}`, 200, `{"Addedpool":"off"}`},
		{"it is disabled", "GET", "/v1/pools/off", "", 200, `"enabled":false`},
		{"and removed", "DELETE", "/v1/pools/off", "", 200, `{"Deletepool":"off"}`},
		{"an address twice is no 500", "PUT", "/v1/pools/theta", `{"targets":{"t3":"TWO"}}`, 409, "t1already"},
		{"a pool shown", "GET", "/v1/pools/theta", "", 200, `"t1":"TWO"`},
		{"a pool attached", "PUT", "/v1/gateways/g/pools/theta", "", 200, "theta"},
		{"the pool's identifier", "GET", "/v1/gateways/g/pools/theta", "", 200, `"pool":"theta"`},
		{"a pool detached", "DELETE", "/v1/gateways/g/pools/theta", "", 200, "theta"},
		{"pools of all gateways", "GET", "/v1/gateways/pools", "", 200, `{"Pools":["eta","theta"]}`},
		{"a pool by the other path", "PUT", "/v1/gateways/pools/third", `{"targets":{}}`, 200, `{"Addedpool":"third"}`},
		{"it is a pool, no gateway", "GET", "/v1/gateways/pools/third", "", 200, `"targets":{}`},
		{"it is removed", "DELETE", "/v1/gateways/pools/third", "", 200, `{"Deletepool":"third"}`},
		{"targets", "GET", "/v1/pools/theta/targets", "", 200, `{"Targets":["t1","t2"]}`},
		{"a target with a weight", "PUT", "/v1/pools/eta/targets/s", `{"address":"127.0.0.1:8","weight":200,"enabled":true}`, 200, `{"AddedTarget":"s"}`},
		{"weights are numbers", "GET", "/v1/pools/eta/targets/s", "", 200, `"weight":200`},
		{"a weight beyond HAProxy's", "PUT", "/v1/pools/eta/targets/s", `{"address":"127.0.0.1:8","weight":257}`, 400, "weight"},
		{"a target without enabled is no 500", "PUT", "/v1/pools/eta/targets/s", `{"address":"127.0.0.1:8","weight":2}`, 200, `{"Modified":"s"}`},
		{"a target without a port is no 500", "PUT", "/v1/pools/eta/targets/s", `{"address":"127.0.0.1","weight":2}`, 400, "address"},
		{"pool in a body moves it", "PUT", "/v1/pools/eta/targets/s", `{"address":"127.0.0.1:8","weight":2,"pool":"theta"}`, 200, `{"Modified":"s"}`},
		{"it has moved", "GET", "/v1/pools/theta/targets", "", 200, `"s"`},
		{"a target removed", "DELETE", "/v1/pools/theta/targets/s", "", 200, `{"Deletedtarget":"s"}`},
		{"a policy", "PUT", "/v1/pools/theta/policy", `{"policy":"leastconn","weights":2.0}`, 200, `{"Modifiedpolicy":"theta"}`},
		{"a policy that HAProxy does not have", "PUT", "/v1/pools/theta/policy", `{"policy":"backfill","weights":1}`, 400, "balance"},
		{"a policy without weights is no 500", "PUT", "/v1/pools/theta/policy", `{"policy":"leastconn"}`, 400, "weights"},
		{"a bad weight breaks no later request", "PUT", "/v1/pools/theta/policy", `{"policy":"leastconn","weights":"x"}`, 400, "weights"},
		{"the policy stays", "GET", "/v1/pools/theta/policy", "", 200, `{"policy":"leastconn","weights":2.0}`},
		{"null resets it", "PUT", "/v1/pools/theta/policy", `null`, 200, `{"Resetpolicyforpool":"theta"}`},
		{"DELETE resets it", "DELETE", "/v1/pools/theta/policy", "", 200, `{"Resetpolicyforpool":"theta"}`},
		{"online", "GET", "/v1/pools/theta/targets/t1/check", "", 200, `"Status":"Online"`},
		{"offline is 200", "POST", "/v1/pools/theta/targets/t2/check", "", 200, `"Status":"Offline"`},
		{"and disabled", "GET", "/v1/pools/theta/targets/t2", "", 200, `"enabled":false`},
		{"nothing is live before the commit", "GET", "/v1/haproxy/configuration/running", "", 404, "norunningconfig"},
		{"commit; both spellings, the port is a text", "POST", "/v1/controller/commit", "", 200, `"HaProxyStatus":"Started","Haproxy`},
		{"the dashboard answers", "GET", "/v1/controller/__haproxy/dashboard", "", 302, ""},
		{"running has a name", "GET", "/v1/haproxy/configuration/running", "", 200, "revision-1"},
		{"and a text", "GET", "/v1/haproxy/configuration/running/expanded", "", 200, "backendtheta"},
		{"certificates", "GET", "/v1/certificates", "", 200, `{"certificates":[]}`},
		{"another type stores nothing, and says so", "PUT", "/v1/certificates/key", "text/plain\nPEM", 415, "x-pem-file"},
		{"what is no certificate", "PUT", "/v1/certificates/key", "application/x-pem-file\nnothing", 400, "hasnoblock"},
		{"a certificate", "PUT", "/v1/certificates/key", "application/x-pem-file\nPEM", 200, `{"certificatesaved":"key.pem"}`},
		{"a duplicate", "PUT", "/v1/certificates/key", "application/x-pem-file\nPEM", 406, `{"duplicate":"key"}`},
		{"a certificate shown", "GET", "/v1/certificates/key", "", 200, "shop.example"},
		{"@key.pem speaks TLS", "PUT", "/v1/gateways/g/endpoints/tls", `{"address":"SECOND @key.pem"}`, 200, `{"addedendpoint":"tls"}`},
		{"it shows", "GET", "/v1/gateways/g/endpoints/tls", "", 200, `"SECOND@key.pem"`},
		{"a certificate that is used", "DELETE", "/v1/certificates/key", "", 409, "frontend/g"},
		{"a gateway with a certificate", "PUT", "/v1/gateways/secure", `{"protocol":"http","endpoints":{"s":"OTHER @key.pem"},"defaultBack":"theta"}`, 200, `{"Addedgateway":"secure"}`},
		{"commit of TLS", "POST", "/v1/controller/commit", "", 200, "Started"},
		{"TLS", "TLS", "SECOND", "", 0, ""},
		{"TLS of a gateway", "TLS", "OTHER", "", 0, ""},
		{"the secure gateway goes", "DELETE", "/v1/gateways/secure", "", 200, `{"DeleteGateway":"secure"}`},
		{"export", "GET", "/v1/controller/_export-sql", "", 200, "SQLiteformat3"},
		{"export with keys", "GET", "/v1/controller/_export-sql?keys=1", "", 200, "PRIVATEKEY"},
		{"export as cdb", "GET", "/v1/controller/_export-cdb", "", 200, "pool/theta"},
		{"import of nothing", "PUT", "/v1/controller/_import-sql", "application/x-sqlite2\nx", 400, "Importerror"},
		{"backup", "POST", "/v1/controller/backup/db", "", 200, `"version":1`},
		{"backup, counted", "POST", "/v1/controller/backup/db", "", 200, `"version":2`},
		{"backup of haproxy.cfg", "POST", "/v1/controller/backup/config", "", 200, `"version":1`},
		{"a gateway removed, singular", "DELETE", "/v1/gateway/g", "", 200, `{"DeleteGateway":"g"}`},
		{"its endpoints are gone with it", "GET", "/v1/gateways/g/endpoints", "", 404, `{"GatewayNotFound":"g"}`},
		{"another gateway has their names and addresses", "PUT", "/v1/gateways/heir", `{"protocol":"http","endpoints":{"e":"ADDRESS","tls":"SECOND"}}`, 200, `{"Addedgateway":"heir"}`},
		{"the heir goes", "DELETE", "/v1/gateways/heir", "", 200, `{"DeleteGateway":"heir"}`},
		{"a missing gateway", "DELETE", "/v1/gateways/g", "", 404, `{"GatewayNotFound":"g"}`},
		{"a pool removed", "DELETE", "/v1/pools/theta", "", 200, `{"Deletepool":"theta"}`},
		{"a missing backup is no 500", "GET", "/v1/controller/restore/db/9", "", 404, `"dblist":["config/1","db/1","db/2"]`},
		{"restore", "GET", "/v1/controller/restore/db/2", "", 200, `{"success":"restoreddatabase"}`},
		{"restore by POST", "POST", "/v1/controller/restore/db/2", "", 200, `{"success":"restoreddatabase"}`},
		{"the gateway is back with its endpoints", "GET", "/v1/gateways/g/endpoints", "", 200, `["e","tls"]`},
		{"how to upload", "GET", "/v1/controller/upload", "", 200, "multipart"},
		{"pending", "PUT", "/v1/haproxy/configuration/pending", "text/plain\n" + config, 200, `{"updated":"pending"}`},
		{"pending with a charset", "PUT", "/v1/haproxy/configuration/pending", "text/plain; charset=utf-8\n" + config, 200, `{"updated":"pending"}`},
		{"pending has a name", "GET", "/v1/haproxy/configuration/pending", "", 200, "text-2"},
		{"what HAProxy refuses", "PUT", "/v1/haproxy/configuration/pending", "text/plain\n" + config + "  nonsense\n", 400, `"invalidconfiguration"`},
		{"commit of the text", "POST", "/v1/haproxy/configuration/commit", "", 200, `"pendingisnowrunning"`},
		{"upload", "POST", "/v1/controller/upload", "text/plain\n" + config, 200, `"HaProxyStatus":"Started"`},
		{"start of one that runs", "POST", "/v1/haproxy/control/start", "", 409, "exception"},
		{"restart", "POST", "/v1/haproxy/control/restart", "", 200, `"haproxystatus":"restarted"`},
		{"stop only where the settings allow it", "POST", "/v1/haproxy/control/stop", "", 409, "v1-stop"},
		{"a slash at the end", "GET", "/v1/gateways/", "", 404, "notfound"},
		{"another method", "POST", "/v1/pools", "", 405, "methodnotallowed"},
	} {
		if q.method == "TLS" {
			servesCertificate(t, v.Replace(q.path), pair)
			continue
		}
		asked[q.method+" "+q.path] = true
		status, answer := n.v1(q.method, q.path, v.Replace(q.body))
		if want := v.Replace(q.want); status != q.status || !strings.Contains(strings.Join(strings.Fields(answer), ""), want) {
			t.Errorf("%s: %s %s answers %d %.600s, want %d with %s", q.what, q.method, q.path, status, answer, q.status, want)
		}
	}
	checkAllAsked(t, asked)
}

// checkAllAsked checks that no route was forgotten.
func checkAllAsked(t *testing.T, asked map[string]bool) {
	t.Helper()
	for _, r := range hrapi.New(hrapi.Config{}).Routes(nil) {
		parts := strings.Split(r.Path, "/")
		found := false
		for request := range asked {
			method, path, _ := strings.Cut(request, " ")
			given := strings.Split(path, "/")
			found = found || method == r.Method && len(given) == len(parts) && !slices.ContainsFunc(parts, func(p string) bool {
				i := slices.Index(parts, p)
				return !strings.HasPrefix(p, "{") && p != given[i]
			})
		}
		if !found {
			t.Errorf("nothing asks for %s %s", r.Method, r.Path)
		}
	}
}

// v1 sends a request. A body that is not JSON begins with a line that has its type.
func (n *node) v1(method, path, body string) (status int, answer string) {
	n.tb.Helper()
	contentType := "application/json"
	if first, rest, found := strings.Cut(body, "\n"); found && !json.Valid([]byte(body)) {
		contentType, body = first, rest
	}
	req, err := http.NewRequestWithContext(n.tb.Context(), method, fmt.Sprintf("http://127.0.0.1:%d%s", n.api, path), strings.NewReader(body))
	if err != nil {
		n.tb.Fatal(err)
	}
	if body != "" {
		req.Header.Set("Content-Type", contentType)
	}
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := client.Do(req)
	if err != nil {
		n.tb.Fatal(err)
	}
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	if err != nil {
		n.tb.Fatal(err)
	}
	return res.StatusCode, string(data)
}

// servesCertificate checks that a TLS handshake gets the certificate of a pair.
func servesCertificate(t *testing.T, address string, pair testkit.KeyPair) {
	t.Helper()
	testkit.Eventually(t, patience, func() error {
		conn, err := (&tls.Dialer{Config: &tls.Config{ServerName: "shop.example", InsecureSkipVerify: true}}).DialContext(t.Context(), "tcp", address) //nolint:gosec // the certificate is compared
		if err != nil {
			return err
		}
		defer conn.Close()
		if got := conn.(*tls.Conn).ConnectionState().PeerCertificates[0]; !got.Equal(pair.Leaf) { //nolint:forcetypeassert // what a tls.Dialer makes
			return fmt.Errorf("it serves %s", got.SerialNumber)
		}
		return nil
	})
}
