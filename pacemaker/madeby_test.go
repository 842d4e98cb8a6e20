package pacemaker_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"thalassa/cluster"
	"thalassa/cluster/cibxml"
	"thalassa/cluster/config"
	"thalassa/pacemaker"
)

// madeByOthers are CIBs with everything that pcs 0.11 and crmsh 4.4 make.
func madeByOthers(t *testing.T) map[string]*cibxml.Element {
	t.Helper()
	out := map[string]*cibxml.Element{}
	for _, name := range []string{"made-by-pcs.xml", "made-by-crmsh.xml"} {
		data, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		if out[name], err = cibxml.Parse(data); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

// Each object that is put as it is shown, as JSON or as XML, in a draft or without, is as it
// was: with what no field describes, and with the secrets that are masked.
func TestObjectsMadeByOthersAreKept(t *testing.T) {
	for name, cib := range madeByOthers(t) {
		configuration := cib.Child("configuration")
		kinds := map[config.Kind]bool{}
		for _, k := range config.Kinds() {
			for _, e := range config.Elements(configuration, k) {
				kinds[k] = true
				o := config.Masked(k, e)
				text, err := json.Marshal(o.Document(k))
				if err != nil {
					t.Fatal(err)
				}
				masked := e.Clone()
				cibxml.Mask(masked, "", func(string) {})
				for how, edit := range map[string]config.Edit{
					"JSON": {Op: config.Put, Kind: k, ID: e.Attr("id"), Body: text},
					"XML":  {Op: config.Put, Kind: k, ID: e.Attr("id"), IsXML: true, Body: masked.Bytes()},
				} {
					d, err := config.Draft{ID: "a"}.With(configuration, "0:1", []config.Edit{edit}, "eve", time.Unix(1, 0))
					if err != nil {
						t.Errorf("%s: %s/%s as %s: %v\n%s", name, k, e.Attr("id"), how, err, edit.Body)
						continue
					}
					view, err := d.View(configuration, "0:1")
					if err != nil {
						t.Fatal(err)
					}
					if changed := config.Differences(configuration, view); len(changed) > 0 {
						t.Errorf("%s: %s/%s as %s changes %+v", name, k, e.Attr("id"), how, changed)
					}
				}
			}
		}
		for _, k := range config.Kinds() {
			isOnlyOf := map[config.Kind]string{config.Bundles: "made-by-pcs.xml", config.ACLGroups: "made-by-pcs.xml", config.Templates: "made-by-crmsh.xml"}
			if !kinds[k] && (isOnlyOf[k] == "" || isOnlyOf[k] == name) {
				t.Errorf("%s has no %s", name, k)
			}
		}
	}
}

// What others have made is simulated, and none of its secrets leave.
func TestForesightOfWhatOthersMade(t *testing.T) {
	for name, cib := range madeByOthers(t) {
		text := string(cib.Bytes())
		if strings.Count(text, "canary-of-a-secret") < 4 {
			t.Errorf("%s has no secrets", name)
		}
		f, _ := onCIB(t, text)
		out := foreseen(t, f, config.Question{})
		for _, want := range []string{"d1", "vip"} {
			if !slices.ContainsFunc(out.Predicted.Text, func(s string) bool { return strings.HasPrefix(s, "will") && strings.Contains(s, " "+want+" ") }) &&
				!slices.ContainsFunc(out.Predicted.Scores, func(s cluster.Score) bool { return s.Resource == want }) {
				t.Errorf("%s: nothing is said of %s: %q", name, want, out.Predicted.Text)
			}
		}
		said, err := json.Marshal(out)
		if err != nil || strings.Contains(string(said), "canary-of-a-secret") {
			t.Errorf("%s: a secret leaves (%v)", name, err)
		}
		c, err := pacemaker.ParseCIB([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(c.Masked()), "canary-of-a-secret") {
			t.Errorf("%s: the masked CIB has a secret", name)
		}
	}
}
