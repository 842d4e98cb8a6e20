package console_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"

	"thalassa/api"
	"thalassa/api/apitest"
	"thalassa/api/console"
	"thalassa/cluster/cibxml"
)

// A source is a cluster that shows what crm_mon has said.
type source struct {
	*apitest.Cluster

	said string
}

func (s source) Monitor(context.Context) (*cibxml.Element, error) {
	return cibxml.Parse([]byte(s.said))
}

const configuration = `<configuration>
  <crm_config>
    <cluster_property_set id="late"><nvpair id="a" name="dc-deadtime" value="9s"/><nvpair id="b" name="cluster-name" value="lab"/></cluster_property_set>
    <cluster_property_set id="cib-bootstrap-options"><nvpair id="c" name="dc-deadtime" value="2s"/><nvpair id="empty" name="node-health-base" value=""/></cluster_property_set>
  </crm_config>
  <nodes><node id="1" uname="n1"><instance_attributes id="d"><nvpair id="e" name="standby" value="off"/></instance_attributes><utilization id="f"><nvpair id="g" name="cpu" value="4"/></utilization></node></nodes>
  <resources>
    <primitive id="vip" class="ocf" provider="heartbeat" type="IPaddr2">
      <meta_attributes id="h"><nvpair id="i" name="target-role" value="Started"/></meta_attributes>
      <instance_attributes id="j"><nvpair id="k" name="ip" value="192.0.2.9"/></instance_attributes>
      <operations><op id="vm" name="monitor" interval="10s"><instance_attributes id="l"><nvpair id="m" name="OCF_CHECK_LEVEL" value="10"/><nvpair id="n" name="depth" value="0"/></instance_attributes></op></operations>
    </primitive>
    <primitive id="fence" class="stonith" type="fence_ipmilan"><instance_attributes id="o"><nvpair id="p" name="passwd" value="topsecret7"/></instance_attributes></primitive>
    <group id="g1"><primitive id="a1" class="ocf" provider="pacemaker" type="Dummy"/></group>
    <clone id="c1"><meta_attributes id="q"><nvpair id="r" name="promotable" value="true"/></meta_attributes><primitive id="s1" class="ocf" provider="pacemaker" type="Stateful"/></clone>
    <master id="m1"><group id="mg"><primitive id="ms" class="ocf" provider="pacemaker" type="Stateful"/></group></master>
    <bundle id="b1"><podman image="img" replicas="2"/><network ip-range-start="192.0.2.100"><port-mapping id="pm1" port="80"/><port-mapping id="pm2" port="443"/></network><storage><storage-mapping id="sm" source-dir="/a" target-dir="/b" options="rw"/></storage></bundle>
    <template id="t1" class="ocf" provider="pacemaker" type="Dummy"/>
  </resources>
  <constraints>
    <rsc_location id="l1" rsc="vip"><rule id="ru" score="100"><expression id="ex" attribute="#uname" operation="eq" value="n1"/></rule></rsc_location>
    <rsc_colocation id="co1" score="INFINITY" rsc="vip" with-rsc="c1"/>
    <rsc_order id="o1" kind="Optional"><resource_set id="s" sequential="false"><resource_ref id="vip"/></resource_set></rsc_order>
    <rsc_ticket id="t" rsc="vip" ticket="A"/>
  </constraints>
  <tags><tag id="all"><obj_ref id="vip"/></tag></tags>
  <alerts><alert id="al" path="/usr/bin/alert"><recipient id="re" value="10"/></alert></alerts>
  <fencing-topology><fencing-level id="fl" target="n1" index="1" devices="fence"/></fencing-topology>
  <acls><acl_target id="ann"><role id="observer"/></acl_target><acl_role id="observer"><acl_permission id="pe" kind="read" xpath="/cib"/></acl_role></acls>
</configuration>`

const monitor = `<pacemaker-result>
  <summary><stack type="corosync"/><current_dc name="n1" with_quorum="true"/><nodes_configured number="2"/></summary>
  <nodes><node name="n1" id="1" online="true" is_dc="true" resources_running="3" type="member"/></nodes>
  <resources>
    <resource id="vip" resource_agent="ocf:heartbeat:IPaddr2" role="Started" nodes_running_on="1"><node name="n1" id="1" cached="true"/></resource>
    <resource id="off" resource_agent="ocf:pacemaker:Dummy" role="Stopped" nodes_running_on="0"/>
    <group id="g1"><resource id="a1" resource_agent="ocf:pacemaker:Dummy" role="Started" nodes_running_on="1"><node name="n1" id="1"/></resource></group>
    <clone id="c1" multi_state="true"><resource id="s1" resource_agent="ocf:pacemaker:Stateful" role="Promoted" nodes_running_on="1"><node name="n1" id="1"/></resource></clone>
  </resources>
  <failures><failure op_key="web_start_0" node="n1" exitstatus="not installed" exitcode="5" call="7" status="complete" task="start"/></failures>
</pacemaker-result>`

// serve is a server with the dialect, of a cluster that has a configuration.
func serve(t *testing.T, text, said string, adjust ...func(*api.Config)) func(path string, headers ...string) (int, string, http.Header) {
	t.Helper()
	_, cfg := apitest.Prepare(t, adjust...)
	if text != "" {
		c := apitest.NewCluster()
		if err := c.SetConfiguration(text); err != nil {
			t.Fatal(err)
		}
		cfg.Cluster, cfg.ClusterActions, cfg.ClusterConfiguration, cfg.ClusterJobs = c, c, c, c
		cfg.Dialects = []api.Dialect{console.New(source{c, said})}
	} else {
		cfg.Dialects = []api.Dialect{console.New(nil)}
	}
	server := httptest.NewServer(api.New(cfg))
	t.Cleanup(server.Close)
	return func(path string, headers ...string) (int, string, http.Header) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+"/api/v1"+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; i+1 < len(headers); i += 2 {
			req.Header.Set(headers[i], headers[i+1])
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return res.StatusCode, string(body), res.Header
	}
}

func TestRequests(t *testing.T) {
	get := serve(t, configuration, monitor)
	for path, want := range map[string]string{
		"/configuration/cluster_property": `{"dc-deadtime":"2s","cluster-name":"lab","node-health-base":""}`,
		"/configuration/rsc_defaults":     `null`,
		"/configuration/nodes":            `[{"id":"1","uname":"n1","instance_attributes":{"standby":"off"},"utilization":{"cpu":"4"}}]`,
		"/configuration/nodes/1":          `{"id":"1","uname":"n1","instance_attributes":{"standby":"off"},"utilization":{"cpu":"4"}}`,
		"/configuration/resources": `[{"id":"b1","type":"bundle"},{"id":"c1","type":"clone"},{"id":"fence","type":"primitive"},{"id":"g1","type":"group"},
			{"id":"m1","type":"master"},{"id":"vip","type":"primitive"}]`,
		"/configuration/primitives/vip": `{"id":"vip","class":"ocf","type":"IPaddr2","provider":"heartbeat","meta":{"target-role":"Started"},"param":{"ip":"192.0.2.9"},
			"op":[{"id":"vm","name":"monitor","interval":"10s","instance_attributes":[{"id":"m","name":"OCF_CHECK_LEVEL","value":"10"},{"id":"n","name":"depth","value":"********"}]}]}`,
		"/configuration/resources/fence": `{"id":"fence","class":"stonith","type":"fence_ipmilan","param":{"passwd":"********"}}`,
		"/configuration/groups":          `[{"id":"g1","primitives":[{"id":"a1","class":"ocf","provider":"pacemaker","type":"Dummy"}]}]`,
		"/configuration/groups/g1/a1":    `{"id":"a1","class":"ocf","provider":"pacemaker","type":"Dummy"}`,
		"/configuration/clones/c1":       `{"id":"c1","meta":{"promotable":"true"},"primitive":{"id":"s1","class":"ocf","provider":"pacemaker","type":"Stateful"}}`,
		"/configuration/masters":         `[{"id":"m1","group":{"id":"mg","primitives":[{"id":"ms","class":"ocf","provider":"pacemaker","type":"Stateful"}]}}]`,
		"/configuration/bundles/b1": `{"id":"b1","container":{"image":"img","replicas":"2","type":"podman"},
			"network":{"ip-range-start":"192.0.2.100","network":[{"id":"pm1","port":"80"},{"id":"pm2","port":"443"}]},
			"storage-mapping":[{"id":"sm","source-dir":"/a","target-dir":"/b","options":"rw"}]}`,
		"/configuration/constraints":     `[{"id":"co1","type":"colocation"},{"id":"l1","type":"location"},{"id":"o1","type":"order"}]`,
		"/configuration/constraints/co1": `{"id":"co1","score":"INFINITY","rsc":"vip","with-rsc":"c1"}`,
		"/configuration/locations":       `[{"id":"l1","rsc":"vip","rule":[{"id":"ru","score":"100","expression":[{"id":"ex","attribute":"#uname","operation":"eq","value":"n1"}]}]}]`,
		"/configuration/orders/o1":       `{"id":"o1","kind":"Optional","resource_set":[{"id":"s","sequential":"false","resource_ref":[{"id":"vip"}]}]}`,
		"/configuration/tags":            `[{"id":"all","obj_ref":[{"id":"vip"}]}]`,
		"/configuration/alerts/al":       `{"id":"al","path":"/usr/bin/alert","recipient":[{"id":"re","value":"10"}]}`,
		"/configuration/fencing":         `[{"id":"fl","target":"n1","index":"1","devices":"fence"}]`,
		"/configuration/acls":            `{"acl_target":[{"id":"ann","role":[{"id":"observer"}]}],"acl_role":[{"id":"observer","acl_permission":[{"id":"pe","kind":"read","xpath":"/cib"}]}]}`,
		"/configuration/tags/":           `[{"id":"all","obj_ref":[{"id":"vip"}]}]`,
		"/status/summary":                `{"stack_type":"corosync","current_dc_name":"n1","current_dc_with_quorum":"true","nodes_configured_number":"2"}`,
		"/status/nodes/1":                `{"name":"n1","id":"1","online":"true","is_dc":"true","resources_running":"3","type":"member"}`,
		"/status/resources": `[{"id":"vip","type":"primitive","resource_agent":"ocf:heartbeat:IPaddr2","role":"Started","on_node":"n1"},
			{"id":"off","type":"primitive","resource_agent":"ocf:pacemaker:Dummy","role":"Stopped","on_node":""},
			{"id":"g1","type":"group","primitives":[{"id":"a1","type":"primitive","resource_agent":"ocf:pacemaker:Dummy","role":"Started","on_node":"n1"}]},
			{"id":"c1","type":"master","multi_state":"true","primitive":[{"id":"s1","type":"primitive","resource_agent":"ocf:pacemaker:Stateful","role":"Promoted","on_node":"n1"}]}]`,
		"/status/failures":    `[{"op_key":"web_start_0","node":"n1","exitstatus":"not installed","exitcode":"5","call":"7","status":"complete","task":"start"}]`,
		"/status/failures/n1": `[{"op_key":"web_start_0","node":"n1","exitstatus":"not installed","exitcode":"5","call":"7","status":"complete","task":"start"}]`,
		"/status/failures/n2": `[]`,
	} {
		status, body, header := get(path)
		if status != 200 || !equal(t, body, want) {
			t.Errorf("%s: %d %s, want %s", path, status, body, want)
		}
		if !strings.HasPrefix(header.Get("Content-Type"), "application/json") || !strings.HasSuffix(body, "\n") {
			t.Errorf("%s: Content-Type %s, %q", path, header.Get("Content-Type"), body)
		}
	}
}

func equal(t *testing.T, got, want string) bool {
	t.Helper()
	var a, b any
	if err := json.Unmarshal([]byte(want), &b); err != nil {
		t.Fatalf("%v: %s", err, want)
	}
	return json.Unmarshal([]byte(got), &a) == nil && reflect.DeepEqual(a, b)
}

func TestWhatDoesNotExist(t *testing.T) {
	get := serve(t, configuration, monitor)
	for _, path := range []string{
		"/configuration/things", "/configuration/primitives/none", "/configuration/groups/g1/none", "/configuration/clones/c1/s1", "/configuration/nodes/n9",
		"/configuration/constraints/t", "/status/things", "/status/nodes/9", "/status/summary/x", "/other",
	} {
		if status, body, header := get(path); status != 404 || body == "" || !strings.HasPrefix(header.Get("Content-Type"), "text/plain") {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
	if status, body, _ := serve(t, "", "")("/configuration/nodes"); status != 404 || !strings.Contains(body, "in no cluster") {
		t.Errorf("on a node of no cluster: %d %s", status, body)
	}
}

func TestNothingIsNull(t *testing.T) {
	get := serve(t, `<configuration/>`, `<pacemaker-result><failures/></pacemaker-result>`)
	for path, want := range map[string]string{
		"/configuration/nodes": "null", "/configuration/primitives": "null", "/configuration/resources": "[]", "/configuration/constraints": "[]",
		"/configuration/locations": "null", "/configuration/acls": "null", "/configuration/cluster_property": "null", "/status/failures": "[]", "/status/nodes": "null",
	} {
		if status, body, _ := get(path); status != 200 || strings.TrimSpace(body) != want {
			t.Errorf("%s: %d %s, want %s", path, status, body, want)
		}
	}
}

func TestFormOfAnswers(t *testing.T) {
	get := serve(t, configuration, monitor)
	for header, want := range map[string]string{"": "{\n  \"id\"", "1": "{\n  \"id\"", "0": `{"id":"co1",`} {
		headers := []string{}
		if header != "" {
			headers = []string{"PrettyPrint", header}
		}
		if _, body, _ := get("/configuration/colocations/co1", headers...); !strings.HasPrefix(body, want) {
			t.Errorf("PrettyPrint %q: %s", header, body)
		}
	}
	for _, path := range []string{"/configuration/cib.xml", "/status/cib.xml"} {
		if status, body, header := get(path); status != 200 || !strings.HasPrefix(body, "<cib") || !strings.HasPrefix(header.Get("Content-Type"), "application/xml") {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
}

func TestRightsAreNeeded(t *testing.T) {
	get := serve(t, configuration, monitor, apitest.Guarded(t))
	for _, path := range []string{"/configuration/nodes", "/configuration/cib.xml", "/status/nodes", "/status/cib.xml", "/configuration/groups/g1/a1"} {
		if status, body, _ := get(path); status != 401 {
			t.Errorf("%s without a token: %d %s", path, status, body)
		}
		if status, body, _ := get(path, "Authorization", "Bearer "+apitest.ReadToken); status != 200 {
			t.Errorf("%s with the role read: %d %s", path, status, body)
		}
	}
}
