package crmsh_test

import (
	"cmp"
	"encoding/xml"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"thalassa/cluster/cibxml"
	"thalassa/cluster/crmsh"
	"thalassa/internal/testkit"
)

// What crmsh reads of the text means what the configuration does: of CIBs that crmsh and pcs have made,
// and of one with all kinds of objects.
func TestCrmshReadsTheText(t *testing.T) {
	for _, path := range []string{"../../pacemaker/testdata/made-by-crmsh.xml", "../../pacemaker/testdata/made-by-pcs.xml", "testdata/kinds.xml"} {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		t.Run(filepath.Base(path), func(t *testing.T) {
			t.Parallel()
			readsBack(t, data)
		})
	}
}

// The same of Pacemaker's scheduler tests: of all where THALASSA_SCHEDULER_CIBS names their archive,
// else of every fortieth.
func TestCrmshReadsTheSchedulersCIBs(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a minute")
	}
	var names []string
	cibs := map[string][]byte{}
	step := 40
	if testkit.SchedulerCIBs(t, func(name string, data []byte) {
		if filepath.Ext(name) == ".xml" {
			names, cibs[name] = append(names, name), data
		}
	}) {
		step = 1
	}
	for i := 0; i < len(names); i += step {
		t.Run(names[i], func(t *testing.T) {
			t.Parallel()
			readsBack(t, cibs[names[i]])
		})
	}
}

// readsBack compares what crmsh reads of the text of a CIB with the CIB.
func readsBack(t *testing.T, data []byte) {
	t.Helper()
	cib, err := cibxml.Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	configuration := cib.Ensure("configuration")
	withoutWhatBreaks(configuration)
	text := crmsh.Text(configuration)
	want, read := meaning(configuration), meaning(load(t, cib.Attr("validate-with"), text))
	if read != want {
		t.Errorf("crmsh reads\n%s\nof\n%s", difference(want, read), text)
	}
}

// withoutWhatBreaks removes what crmsh 4.4 cannot have, even as XML: it ends with an error at a bundle
// of something else than docker, and loses the score of a set of properties or defaults.
func withoutWhatBreaks(configuration *cibxml.Element) {
	gone := map[string]bool{}
	configuration.Ensure("resources").Remove(func(e *cibxml.Element) bool {
		isOut := e.Name == "bundle" && e.Child("docker") == nil
		gone[e.Attr("id")] = gone[e.Attr("id")] || isOut
		return isOut
	})
	configuration.Ensure("constraints").Remove(func(e *cibxml.Element) bool {
		return gone[e.Attr("rsc")] || gone[e.Attr("with-rsc")] || gone[e.Attr("first")] || gone[e.Attr("then")]
	})
	for _, section := range []string{"crm_config", "rsc_defaults", "op_defaults"} {
		for _, set := range configuration.Ensure(section).Elements() {
			set.Attrs = slices.DeleteFunc(set.Attrs, func(a xml.Attr) bool { return a.Name.Local == "score" })
		}
	}
}

// load has crmsh read a text in an empty cluster of a file, and returns its configuration.
func load(t *testing.T, schema, text string) *cibxml.Element {
	t.Helper()
	crm := testkit.Tool(t, "crm")
	testkit.Tool(t, "cibadmin")
	dir := t.TempDir()
	file, source := filepath.Join(dir, "cib.xml"), filepath.Join(dir, "text.crm")
	empty := fmt.Sprintf(`<cib validate-with=%q epoch="1" num_updates="0" admin_epoch="0"><configuration><crm_config/><nodes/><resources/><constraints/></configuration><status/></cib>`, cmp.Or(schema, "none"))
	for path, content := range map[string]string{file: empty, source: text} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(t.Context(), crm, "-F", "configure", "load", "replace", source)
	cmd.Env = append(os.Environ(), "CIB_file="+file, "HOME="+dir)
	cmd.WaitDelay = time.Second
	said, err := cmd.CombinedOutput()
	data, unread := os.ReadFile(file)
	cib, invalid := cibxml.Parse(data)
	if unread != nil || invalid != nil || cib.Child("configuration") == nil {
		t.Fatalf("crmsh: %v, %v, %v: %s", err, unread, invalid, said)
	}
	if os.Geteuid() != 0 && strings.Contains(string(said), "/var/log/crmsh") {
		testkit.Missing(t, "crm may not write its log as this user")
	}
	t.Logf("crmsh says: %s", said)
	return cib.Child("configuration")
}

// meaning is what a configuration means, in lines: without ids of parts that nothing refers to, without
// defaults, with what has no order sorted.
func meaning(configuration *cibxml.Element) string {
	referred := map[string]bool{}
	for _, e := range configuration.Descendants("") {
		referred[e.Attr("id-ref")] = true
	}
	var b strings.Builder
	for _, line := range slices.Sorted(slices.Values(lines(configuration, "", referred))) {
		b.WriteString(line + "\n")
	}
	return b.String()
}

// lines are an element's and its descendants', each behind the path to it.
func lines(e *cibxml.Element, path string, referred map[string]bool) []string {
	var out []string
	count := map[string]int{}
	for _, c := range e.Elements() {
		at := path + "/" + c.Name
		switch {
		case slices.Contains(strings.Fields("nvpair op fencing-level acl_permission recipient expression date_expression"), c.Name) || objects(c.Name) || e.Name == "resources":
			at += "[" + own(c) + "]"
		case slices.Contains(strings.Fields("instance_attributes meta_attributes utilization resource_set resource_ref obj_ref role rule primitive group"), c.Name):
			count[c.Name]++
			at += fmt.Sprintf("[%d]", count[c.Name]) // the order counts
		}
		attributes := said(c, referred)
		below := lines(c, at, referred)
		if len(below) > 0 || attributes != "" || path != "" && c.Name != "operations" { // no empty section
			out = append(append(out, at+" "+attributes), below...)
		}
	}
	return out
}

// objects reports whether the order of the elements of a name means nothing, and ids name them.
func objects(name string) bool {
	return slices.Contains(strings.Fields("node template clone master bundle rsc_location rsc_colocation rsc_order rsc_ticket tag cluster_property_set acl_role acl_target acl_group alert"), name)
}

// own is what tells an element from others of its name.
func own(e *cibxml.Element) string {
	switch e.Name {
	case "nvpair", "op":
		return e.Attr("name") + e.Attr("interval") + e.Attr("id-ref") + e.Attr("role")
	case "fencing-level":
		return e.Attr("target") + e.Attr("target-pattern") + e.Attr("target-value") + e.Attr("index")
	case "acl_permission":
		return e.Attr("kind") + e.Attr("xpath") + e.Attr("reference") + e.Attr("object-type")
	case "recipient":
		return e.Attr("value")
	case "expression", "date_expression":
		return e.Attr("attribute") + e.Attr("operation") + e.Attr("value") + e.Attr("start")
	}
	return e.Attr("id")
}

// said are the attributes of an element that mean something.
func said(e *cibxml.Element, referred map[string]bool) string {
	defaults := map[string]string{"sequential": "true", "require-all": "true", "boolean-op": "and", "value-source": "literal", "type": "normal"}
	roles := strings.NewReplacer("Master", "Promoted", "Slave", "Unpromoted")
	var out []string
	for _, a := range e.Attributes() {
		isPart := !objects(e.Name) && !slices.Contains([]string{"primitive", "group", "resource_ref", "obj_ref", "role"}, e.Name)
		switch {
		case a.Name == "id" && isPart && !referred[a.Value]:
		case defaults[a.Name] == a.Value:
		case a.Name == "boolean-op" && len(e.Elements()) < 2:
		case strings.HasSuffix(a.Name, "role"), a.Name == "value" && e.Attr("name") == "target-role":
			out = append(out, a.Name+"="+roles.Replace(a.Value))
		default:
			out = append(out, a.Name+"="+a.Value)
		}
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

// difference are the lines that only one of two texts has.
func difference(want, got string) string {
	w, g := strings.Split(want, "\n"), strings.Split(got, "\n")
	var out []string
	for _, line := range w {
		if !slices.Contains(g, line) {
			out = append(out, "- "+line)
		}
	}
	for _, line := range g {
		if !slices.Contains(w, line) {
			out = append(out, "+ "+line)
		}
	}
	return strings.Join(out, "\n")
}
