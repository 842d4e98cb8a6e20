package e2e_test

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"thalassa/internal/testkit"
)

// TestScreenshots makes the pictures of the README from the demo under a load
// that changes: make screenshots.
func TestScreenshots(t *testing.T) {
	dir := os.Getenv("THALASSA_SCREENSHOTS")
	if dir == "" {
		t.Skip("THALASSA_SCREENSHOTS does not say where to put them")
	}
	d := startDemo(t)
	n := &node{tb: t, web: d.web, api: d.api}
	testkit.Eventually(t, patience, func() error {
		if !strings.Contains(d.out.String(), "Activity:") {
			return errors.New("no welcome yet")
		}
		return nil
	})
	n.call(200, http.MethodPut, "/backends/search", fmt.Sprintf(`{"type":"static","balance":"leastconn","members":[{"host":"127.0.0.1","port":%d},{"host":"127.0.0.1","port":%d},{"host":"127.0.0.1","port":9}]}`,
		testkit.StartWeb(t, "search").Port, testkit.StartWeb(t, "search").Port))
	ports := testkit.Ports(t, 2)
	n.call(200, http.MethodPut, "/frontends/api", fmt.Sprintf(`{"bind":"127.0.0.1:%d","backend":"search","rules":[{"type":"path","operation":"path_beg","value":"/shop /cart","backend":"live"}]}`, ports[0]))
	fluctuate(t, n, fmt.Sprintf("127.0.0.1:%d", ports[0]))
	n.call(200, http.MethodPost, "/backends/live", `{"versions":{"1.0.0":90,"1.1.0":10}}`)
	n.call(200, http.MethodPut, "/backends/staged", `{"type":"dynamic","name":"demo","version":"1.1.0","health":{"uri":"/","interval":1000}}`)
	<-time.After(20 * time.Second)

	p := openPage(t, n, "/overview", look{width: 1280, height: 800})
	p.sees(`document.querySelectorAll(".backend .donut.good").length >= 2`)
	picture(p, dir, "overview")
	p.look(look{width: 1280, height: 800, dark: true})
	p.visit("/overview/backends/live")
	p.sees(`document.querySelectorAll(".chart canvas").length === 4`)
	picture(p, dir, "backend")
	p.visit("/overview")
	p.click(`[title^="Switch live"]`)
	p.sees(`document.querySelector("dialog .slider")`)
	picture(p, dir, "switch")
	p.look(look{})
	p.visit("/activity")
	p.click(".event:nth-child(2) summary") // the switch: a member that goes down follows
	picture(p, dir, "activity")
	p.look(look{dark: true})
	p.visit("/config")
	p.click(".entries li:nth-child(2) button")
	p.sees(`document.querySelector(".code.added")`)
	picture(p, dir, "config")
	n.call(201, http.MethodPost, "/drafts", `{"message":"more room for the sale"}`)
	n.call(200, http.MethodPut, "/backends/sale?draft=1", `{"type":"dynamic","name":"demo","version":"1.2.0","balance":"leastconn"}`)
	n.call(200, http.MethodPost, "/backends/staged?draft=1", `{"version":"1.2.0"}`)
	p.look(look{})
	p.visit("/drafts")
	p.click(p.button(".drafts", "Edit in this draft"))
	p.reads(".strip.draft", "2 pending edits")
	p.visit("/drafts/1")
	p.reads("main", "HAProxy has checked the result")
	picture(p, dir, "draft")
	p.click(p.button(".strip.draft", "Leave"))
	p.look(look{width: 390, height: 800, phone: true})
	p.visit("/overview")
	p.sees(`document.querySelectorAll(".backend .donut.good").length >= 2`)
	picture(p, dir, "phone")
}

// fluctuate puts load on both frontends for as long as a sparkline is.
func fluctuate(t *testing.T, n *node, second string) {
	t.Helper()
	always := 5 * time.Minute
	testkit.StartLoad(t, testkit.LoadConfig{Address: n.address(), KeepAlive: 4, Fresh: 1, Pause: 15 * time.Millisecond, For: always})
	testkit.StartLoad(t, testkit.LoadConfig{Address: n.address(), Host: "staged", KeepAlive: 1, Pause: 40 * time.Millisecond, For: always})
	testkit.StartLoad(t, testkit.LoadConfig{Address: second, KeepAlive: 2, Pause: 25 * time.Millisecond, For: always})
	for i := range 11 {
		more := testkit.StartLoad(t, testkit.LoadConfig{Address: n.address(), KeepAlive: 1 + i*5%7, Pause: 20 * time.Millisecond})
		<-time.After(7 * time.Second)
		more.Stop()
		<-time.After(time.Duration(2+i%3) * time.Second)
	}
}

// picture writes what can be seen as a small file: with the 256 colors that it has
// most of.
func picture(p *page, dir, name string) {
	p.tb.Helper()
	<-time.After(2500 * time.Millisecond) // a tick or two after a change of colors or size
	data, err := chromedp.Run(p.ctx, chromedp.CaptureScreenshot())
	if err != nil {
		p.tb.Fatal(err)
	}
	full, err := png.Decode(bytes.NewReader(data))
	if err != nil {
		p.tb.Fatal(err)
	}
	small := image.NewPaletted(full.Bounds(), frequent(full))
	draw.Draw(small, small.Rect, full, full.Bounds().Min, draw.Src)
	var out bytes.Buffer
	if err := (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&out, small); err != nil {
		p.tb.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, name+".png"), out.Bytes(), 0o600); err != nil {
		p.tb.Fatal(err)
	}
}

// frequent lists the colors that a picture has most of.
func frequent(img image.Image) color.Palette {
	counts := map[color.Color]int{}
	for y := img.Bounds().Min.Y; y < img.Bounds().Max.Y; y++ {
		for x := img.Bounds().Min.X; x < img.Bounds().Max.X; x++ {
			counts[img.At(x, y)]++
		}
	}
	colors := slices.SortedFunc(maps.Keys(counts), func(a, b color.Color) int { return counts[b] - counts[a] })
	return colors[:min(len(colors), 256)]
}
