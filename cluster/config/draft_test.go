package config_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"thalassa/cluster/cibxml"
	"thalassa/cluster/config"
	"thalassa/lb"
)

func configuration(t *testing.T, inside string) *cibxml.Element {
	t.Helper()
	e, err := cibxml.Parse([]byte(`<configuration><resources><primitive id="vip" class="ocf" provider="heartbeat" type="IPaddr2"/>
		<primitive id="web" class="systemd" type="web"/>` + inside + `</resources><constraints/></configuration>`))
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func drafted(t *testing.T, c *cibxml.Element, d config.Draft, edits ...config.Edit) config.Draft {
	t.Helper()
	next, err := d.With(c, "0:1", edits, "eve", time.Unix(1, 0))
	if err != nil {
		t.Fatal(err)
	}
	return next
}

func put(kind config.Kind, id, body string) config.Edit {
	return config.Edit{Op: config.Put, Kind: kind, ID: id, Body: []byte(body)}
}

func TestDraftShowsItsEditsOnTopOfWhatOthersDo(t *testing.T) {
	c := configuration(t, "")
	d := drafted(t, c, config.Draft{ID: "a"}, put(config.Locations, "l", `{"rsc":"vip","node":"n1","score":"1"}`))
	d = drafted(t, c, d, config.Edit{Op: config.Patch, Kind: config.Locations, ID: "l", Body: []byte(`{"score":"2"}`)})
	if got := d.Objects(); !slices.Equal(got, []string{"locations/l"}) || len(d.Edits) != 2 || d.Edits[1].Number != 2 {
		t.Errorf("objects %q, edits %+v", got, d.Edits)
	}
	if config.Find(c, config.Locations, "l") != nil {
		t.Error("the configuration itself is changed")
	}
	// Somebody else adds a resource meanwhile.
	later := configuration(t, `<primitive id="other" class="systemd" type="other"/>`)
	view, err := d.View(later, "0:2")
	if err != nil || config.Find(view, config.Locations, "l").Attr("score") != "2" || config.Find(view, config.Primitives, "other") == nil {
		t.Errorf("%v: %s", err, view.Bytes())
	}
	edits, err := d.Changes(later, "0:2")
	if err != nil || config.Apply(later, "0:2", edits) != nil || config.Find(later, config.Locations, "l") == nil {
		t.Errorf("what others change elsewhere is in the way: %v", err)
	}
}

func TestDraftHasConflictsWithWhatOthersDoToItsObjects(t *testing.T) {
	c := configuration(t, "")
	d := drafted(t, c, config.Draft{ID: "a"}, config.Edit{Op: config.Patch, Kind: config.Primitives, ID: "vip", Body: []byte(`{"meta":{"priority":"5"}}`)})
	later := configuration(t, "")
	config.Find(later, config.Primitives, "vip").Set("type", "IPv6addr")
	var conflict *lb.ConflictError
	if _, err := d.Changes(later, "0:2"); !errors.As(err, &conflict) || !slices.Equal(conflict.By, []string{"primitives/vip"}) {
		t.Errorf("%v", err)
	}
	// Between reading and writing it is found, too.
	edits, err := d.Changes(c, "0:1")
	if err != nil {
		t.Fatal(err)
	}
	if err := config.Apply(later.Clone(), "0:2", edits); !errors.As(err, &conflict) || conflict.ID != "primitives/vip" {
		t.Errorf("%v", err)
	}
	d, err = d.Rebased(later, "0:2", time.Unix(2, 0))
	if err != nil || len(d.Conflicts(later)) > 0 {
		t.Fatalf("%v: %q", err, d.Conflicts(later))
	}
	edits, err = d.Changes(later, "0:2")
	if err != nil || config.Apply(later, "0:2", edits) != nil {
		t.Fatal(err)
	}
	vip := config.Find(later, config.Primitives, "vip")
	if vip.Attr("type") != "IPv6addr" || vip.Pair("meta_attributes", "priority") != "5" {
		t.Errorf("both changes are not there: %s", vip.Bytes())
	}
	// An edit that cannot be made any more says so.
	gone := configuration(t, "")
	gone.Child("resources").Children = gone.Child("resources").Children[1:]
	if _, err := d.View(gone, "0:3"); !errors.As(err, &conflict) || !strings.Contains(conflict.Reason, "edit 1, PATCH primitives/vip") {
		t.Errorf("%v", err)
	}
}

func TestDraftTakesEditsOut(t *testing.T) {
	c := configuration(t, "")
	d := drafted(t, c, config.Draft{ID: "a"}, put(config.Primitives, "new", `{"agent":"systemd:new"}`))
	d = drafted(t, c, d, put(config.Tags, "tag", `{"objects":["new"]}`))
	if _, err := d.Without(c, "0:1", 1, time.Unix(2, 0)); err == nil {
		t.Error("an edit that another one needs is taken out")
	}
	if _, err := d.Without(c, "0:1", 9, time.Unix(2, 0)); !errors.As(err, new(*lb.NotFoundError)) {
		t.Errorf("%v", err)
	}
	d, err := d.Without(c, "0:1", 2, time.Unix(2, 0))
	if err != nil || !slices.Equal(d.Objects(), []string{"primitives/new"}) {
		t.Errorf("%v: %q", err, d.Objects())
	}
	// What is as configured again is no change.
	d = drafted(t, c, d, config.Edit{Op: config.Delete, Kind: config.Primitives, ID: "new"})
	if len(d.Objects()) > 0 {
		t.Errorf("%q", d.Objects())
	}
}

func TestDraftKeepsConditionsAndBounds(t *testing.T) {
	c := configuration(t, "")
	d := drafted(t, c, config.Draft{ID: "a"}, put(config.Tags, "tag", `{"objects":["vip"]}`))
	view, err := d.View(c, "0:1")
	if err != nil {
		t.Fatal(err)
	}
	tag := config.Tag(config.Tags, config.Find(view, config.Tags, "tag"), d.Version("0:1"))
	edit := put(config.Tags, "tag", `{"objects":["web"]}`)
	edit.IfMatch = []string{tag}
	d = drafted(t, c, d, edit)
	if _, err := d.With(c, "0:1", []config.Edit{edit}, "eve", time.Unix(1, 0)); !errors.As(err, new(*lb.PreconditionError)) {
		t.Errorf("a condition on what the draft does not show any more: %v", err)
	}
	large := put(config.Tags, "tag", `{"objects":["web"], "extra":["<!-- `+strings.Repeat("x", 3<<20)+` --><obj_ref id='vip'/>"]}`)
	if _, err := d.With(c, "0:1", []config.Edit{large}, "eve", time.Unix(1, 0)); !errors.As(err, new(*lb.ConflictError)) {
		t.Errorf("a draft that is too large: %v", err)
	}
}

func TestPutOfXML(t *testing.T) {
	c := configuration(t, `<primitive id="fence" class="stonith" type="fence_x"><instance_attributes id="f"><nvpair id="p" name="passwd" value="topsecret7"/></instance_attributes></primitive>`)
	xml := func(kind config.Kind, id, body string) error {
		return config.Apply(c, "0:1", []config.Edit{{Op: config.Put, Kind: kind, ID: id, IsXML: true, Body: []byte(body)}})
	}
	if err := xml(config.Primitives, "fence", `<primitive id="fence" class="stonith" type="fence_y"><instance_attributes id="f"><nvpair id="p" name="passwd" value="********"/></instance_attributes></primitive>`); err != nil {
		t.Fatal(err)
	}
	if f := config.Find(c, config.Primitives, "fence"); f.Attr("type") != "fence_y" || f.Pair("instance_attributes", "passwd") != "topsecret7" {
		t.Errorf("%s", f.Bytes())
	}
	if err := xml(config.Groups, "g", `<group id="g"><primitive id="vip"/><primitive id="new" class="systemd" type="new"/></group>`); err != nil {
		t.Fatal(err)
	}
	g := config.Find(c, config.Groups, "g")
	if len(g.Elements()) != 2 || g.Elements()[0].Attr("type") != "IPaddr2" || config.Find(c, config.Primitives, "new") == nil {
		t.Errorf("%s", c.Bytes())
	}
	// A former member stays as a resource of its own.
	if err := xml(config.Groups, "g", `<group id="g"><primitive id="vip"/></group>`); err != nil || len(config.Elements(c, config.Primitives)) != 4 {
		t.Errorf("%v: %s", err, c.Bytes())
	}
	for name, tc := range map[string]struct{ id, body, field string }{
		"no XML":            {"x", "<primitive", "body"},
		"another element":   {"x", "<group/>", "body"},
		"another id":        {"x", `<primitive id="y" class="systemd" type="a"/>`, "id"},
		"what is missing":   {"x", `<primitive/>`, "agent"},
		"a mask of nothing": {"x", `<primitive class="systemd" type="a"><instance_attributes id="i"><nvpair id="n" name="passwd" value="********"/></instance_attributes></primitive>`, "body"},
	} {
		var invalid *lb.InvalidError
		if err := xml(config.Primitives, tc.id, tc.body); !errors.As(err, &invalid) || invalid.Fields[0].Path != tc.field {
			t.Errorf("%s: %v", name, err)
		}
	}
}
