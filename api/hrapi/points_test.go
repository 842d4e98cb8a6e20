package hrapi_test

import (
	"bytes"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"thalassa/internal/testkit"
)

var update = flag.Bool("update", false, "write docs/hrapi-points.md")

// A point is something that pyHrapi lacked, or did wrong, and the proofs that it works here:
// names of tests, and what requests of TestEveryRequestOfV1 are called.
type point struct {
	what   string
	proofs []string
}

// points are grouped by what they are about.
func points() map[string][]point {
	return map[string][]point{
		"1 Gateways": {
			{"a `PUT` makes the pools that it names and that do not exist, each with the one target", []string{"create a gateway; pools with unknown names make them", "TestRequests"}},
			{"a `DELETE` removes the endpoints too: their addresses and names are free", []string{"its endpoints are gone with it", "another gateway has their names and addresses", "TestGatewaysAndPools"}},
			{"a pool is attached, shown and detached below its gateway", []string{"a pool attached", "the pool's identifier", "a pool detached"}},
			{"a gateway lists its own pools, not all", []string{"without defaultBack it is None; only its own pools"}},
			{"a gateway without a protocol is refused by name, not with 500", []string{"create a gateway without protocol is no 500"}},
			{"a `PUT` without a default pool changes a gateway, not with 500", []string{"update without defaultBack is no 500"}},
			{"a `PUT` changes the protocol", []string{"TestProtocols"}},
			{"a `PUT` that fails keeps none of its edits", []string{"a failed PUT keeps nothing", "a failed PUT has kept nothing", "TestBadValuesAreNamedAndChangeNothing"}},
			{"a gateway without endpoints has an empty list of them, not 404", []string{"a gateway without endpoints", "its list of endpoints is empty"}},
			{"a certificate in the endpoints of a gateway is used", []string{"a gateway with a certificate", "TestEndpointsWithTLS"}},
			{"an endpoint that does not exist cannot be deleted: 404, not 500", []string{"a missing endpoint removed is no 500"}},
			{"an endpoint needs its gateway: 404", []string{"an endpoint of no gateway"}},
		},
		"2 Pools and targets": {
			{"no pool is an empty list, not 404", []string{"empty list of pools is no 404"}},
			{"a pool can be made disabled", []string{"a pool made disabled", "it is disabled", "TestRequests"}},
			{"a `PUT` without `enabled` changes a pool, and a wrong one is refused by name, not with 500", []string{"a pool changed without enabled is no 500", "enabled of another type is no 500"}},
			{"one address twice in a pool is 409, not 500", []string{"an address twice is no 500"}},
			{"weights are numbers", []string{"weights are numbers"}},
			{"a `PUT` without `enabled` changes a target, not with 500", []string{"a target without enabled is no 500"}},
			{"`pool` in a body moves a target", []string{"pool in a body moves it", "it has moved"}},
			{"a target without a port is refused by name, not with 500", []string{"a target without a port is no 500"}},
			{"a weight that HAProxy does not have is refused by name", []string{"a weight beyond HAProxy's"}},
			{"a policy without `weights` is refused by name, not with 500", []string{"a policy without weights is no 500"}},
			{"a bad weight of a policy breaks no later request", []string{"a bad weight breaks no later request", "the policy stays"}},
			{"`null` resets a policy, as `DELETE` does", []string{"null resets it", "DELETE resets it"}},
			{"a policy that HAProxy does not have is refused", []string{"a policy that HAProxy does not have"}},
			{"a check of an offline target is 200 and disables it; nothing is loaded", []string{"offline is 200", "and disabled", "nothing is live before the commit", "TestChecks"}},
		},
		"3 Commit and HAProxy": {
			{"a commit without a pool that is enabled is 409, not 500", []string{"commit without a pool is no 500"}},
			{"what HAProxy refuses is 422 with its words, and changes nothing", []string{"TestGatewaysAndPools"}},
			{"the answer has both spellings of the status, and the port as a text", []string{"commit; both spellings, the port is a text"}},
			{"the statistics page answers at the port that the commit returned", []string{"the dashboard answers", "TestGatewaysAndPools"}},
			{"the statistics page that does not answer yet is 404", []string{"dashboard before the commit"}},
			{"each pool has its own policy", []string{"TestEachKeepsItsOwn"}},
			{"each gateway keeps its default pool", []string{"TestEachKeepsItsOwn"}},
			{"a gateway for `tcp` forwards connections", []string{"TestEachKeepsItsOwn", "TestProtocols"}},
			{"a pool without targets is in haproxy.cfg", []string{"TestEachKeepsItsOwn"}},
			{"a gateway that is not enabled does not listen", []string{"TestEachKeepsItsOwn"}},
			{"weights, states and addresses change without a reload", []string{"TestGatewaysAndPools"}},
			{"`start` of a HAProxy that runs is 409", []string{"start of one that runs"}},
			{"`stop` ends no HAProxy but the agent's, where the settings allow it", []string{"stop only where the settings allow it", "TestStopBelowV1", "TestStopEndsNoOtherHAProxy"}},
			{"`restart` works", []string{"restart"}},
		},
		"4 Files": {
			{"an import loads the whole model", []string{"TestADatabaseGoesIntoTheDraft", "TestADatabaseOfPyHrapiIsServed"}},
			{"an export can be imported, and keys are in it on request only", []string{"export", "export with keys", "TestADatabaseIsExported", "TestCertificatesOfADatabase"}},
			{"the model can be exported as a cdb file", []string{"export as cdb", "TestCDBIsRead"}},
			{"backups are numbered by name, beyond 10 too", []string{"backup", "backup, counted", "TestBackups", "TestBackupsAreBounded", "TestArtifactRepository"}},
			{"a version that does not exist is 404 with the list, not 500", []string{"a missing backup is no 500"}},
			{"a restore brings everything back and changes nothing that runs", []string{"restore", "the gateway is back with its endpoints", "TestBackups"}},
			{"an upload works: checked, then running", []string{"upload", "TestUpload", "TestUploadedConfigurations"}},
			{"what is pending is shown, deleted and committed, without 500", []string{"no pending text expanded is no 500", "nothing to delete", "nothing to commit is no 500", "TestPending"}},
			{"a commit of a text runs that text, and a second one goes back", []string{"commit of the text", "TestUploadedConfigurations"}},
			{"a type with a charset is accepted", []string{"pending with a charset"}},
			{"ports of variables begin at the setting", []string{"TestUploadedConfigurations", "TestPending"}},
			{"`running` is a name, `/expanded` its text", []string{"running has a name", "and a text"}},
			{"the short path of the variables exists", []string{"variables, short path"}},
		},
		"5 Certificates": {
			{"another type than PEM is refused, not ignored", []string{"another type stores nothing, and says so"}},
			{"PEM is checked", []string{"what is no certificate", "TestWrongCertificates"}},
			{"a duplicate is refused", []string{"a duplicate"}},
			{"one in use cannot be removed", []string{"a certificate that is used", "TestCertificates"}},
		},
	}
}

// Every point of the list has a proof that exists, and docs/hrapi-points.md is the list.
func TestEveryPointHasAProof(t *testing.T) {
	t.Parallel()
	known := proofs(t)
	var page bytes.Buffer
	page.WriteString("# What is better than in pyHrapi\n\nThe [requests below /v1](hrapi.md) are those of pyHrapi, without what did not work there. Each of\n" +
		"these points has tests. A test checks that they exist, and writes this page. Proofs in italics are\nrequests of `TestEveryRequestOfV1`, which asks a real HAProxy of each release.\n")
	groups := points()
	for i := 1; i <= len(groups); i++ {
		for title, list := range groups {
			name, isNext := strings.CutPrefix(title, strconv.Itoa(i)+" ")
			if !isNext {
				continue
			}
			fmt.Fprintf(&page, "\n## %s\n\n| point | proof |\n|---|---|\n", name)
			for _, p := range list {
				page.WriteString("| " + p.what + " | " + proofText(t, p, known) + " |\n")
			}
		}
	}
	testkit.ComparePage(t, "../../docs/hrapi-points.md", "points", page.Bytes(), *update)
}

func proofText(t *testing.T, p point, known map[string]bool) string {
	t.Helper()
	if len(p.proofs) == 0 {
		t.Errorf("nothing proves that %s", p.what)
	}
	out := make([]string, len(p.proofs))
	for i, proof := range p.proofs {
		if !known[proof] {
			t.Errorf("%q, which proves that %s, does not exist", proof, p.what)
		}
		if out[i] = "*" + proof + "*"; strings.HasPrefix(proof, "Test") {
			out[i] = "`" + proof + "`"
		}
	}
	return strings.Join(out, ", ")
}

// proofs are the names of tests, and of the requests of TestEveryRequestOfV1.
func proofs(t *testing.T) map[string]bool {
	t.Helper()
	known := map[string]bool{}
	for _, dir := range []string{".", "../../gateway", "../../pyhrapi", "../../e2e"} {
		files, err := filepath.Glob(dir + "/*_test.go")
		if err != nil || len(files) == 0 {
			t.Fatal(dir, err)
		}
		for _, file := range files {
			parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			isTable := filepath.Base(file) == "v1table_test.go"
			ast.Inspect(parsed, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.FuncDecl:
					known[n.Name.Name] = true
				case *ast.CompositeLit:
					if name := firstText(n); isTable && name != "" {
						known[name] = true
					}
				}
				return true
			})
		}
	}
	return known
}

// firstText is the text that a composite literal begins with.
func firstText(n *ast.CompositeLit) string {
	if len(n.Elts) < 5 {
		return ""
	}
	lit, ok := n.Elts[0].(*ast.BasicLit)
	if !ok {
		return ""
	}
	text, err := strconv.Unquote(lit.Value)
	if err != nil {
		return ""
	}
	return text
}
