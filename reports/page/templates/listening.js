// One player for all sound of a clip: tracks are switched without losing the place.
(function () {
  var players = [];

  function make(tag, attributes, text) {
    var element = document.createElement(tag);
    Object.keys(attributes).forEach(function (name) { element.setAttribute(name, attributes[name]); });
    if (text) { element.textContent = text; }
    return element;
  }

  function show(seconds) { return seconds.toFixed(1) + " s"; }

  // What is drawn is played: notes as plucked tones, a pitch as one that glides. As 16-bit samples in a data: URI, which
  // the page's policy allows and which plays as any other sound here does.
  var RATE = 16000, PARTIALS = [1, 0.4, 0.2];

  function toHz(midi) { return 440 * Math.pow(2, (midi - 69) / 12); }

  function readNotes(path, toSeconds, toMidi) {
    var pattern = /M([\d.]+) ([\d.]+)h([\d.]+)v([\d.]+)/g, notes = [], found;
    while ((found = pattern.exec(path))) {
      var onset = toSeconds(+found[1]);
      notes.push({ onset: onset, end: onset + toSeconds(+found[3]), hz: toHz(Math.round(toMidi(+found[2] + found[4] / 2))) });
    }
    return notes;
  }

  function addNotes(samples, notes) {
    notes.forEach(function (note) {
      var first = Math.round(note.onset * RATE), last = Math.min(Math.round(note.end * RATE), samples.length);
      PARTIALS.forEach(function (level, number) {
        var step = 2 * Math.PI * note.hz * (number + 1) / RATE;
        if (step > Math.PI * 0.9) { return; }
        for (var at = first; at < last; at += 1) {
          var since = (at - first) / RATE, left = (last - at) / RATE;
          samples[at] += level * Math.exp(-3 * since) * Math.min(since / 0.005, left / 0.01, 1) * Math.sin(step * (at - first));
        }
      });
    });
  }

  function addPitch(samples, path, toSeconds, toMidi) {
    path.split("M").slice(1).forEach(function (stretch) {
      var points = stretch.split("L").map(function (point) {
        var place = point.split(" ");
        return { at: toSeconds(+place[0]), midi: toMidi(+place[1]) };
      });
      var first = Math.round(points[0].at * RATE), end = Math.round(points[points.length - 1].at * RATE), last = Math.min(end, samples.length);
      for (var at = first, next = 1, phase = 0; at < last; at += 1) {
        while (next < points.length - 1 && points[next].at * RATE < at) { next += 1; }
        var a = points[next - 1], b = points[next], share = (at / RATE - a.at) / (b.at - a.at || 1);
        phase += 2 * Math.PI * toHz(a.midi + (b.midi - a.midi) * share) / RATE;
        samples[at] += Math.min((at - first) / 160, (end - at) / 160, 1) * (Math.sin(phase) + 0.3 * Math.sin(2 * phase));
      }
    });
  }

  function toWave(samples) {
    var peak = samples.reduce(function (most, value) { return Math.max(most, Math.abs(value)); }, 1);
    var bytes = new Uint8Array(44 + 2 * samples.length), view = new DataView(bytes.buffer), text = "";
    [0x46464952, 36 + 2 * samples.length, 0x45564157, 0x20746d66, 16, 0x10001, RATE, 2 * RATE, 0x100002, 0x61746164, 2 * samples.length]
      .forEach(function (word, number) { view.setUint32(4 * number, word, true); });
    samples.forEach(function (value, at) { view.setInt16(44 + 2 * at, value / peak * 12000, true); });
    for (var start = 0; start < bytes.length; start += 8192) {
      text += String.fromCharCode.apply(null, bytes.subarray(start, start + 8192));
    }
    return "data:audio/wav;base64," + btoa(text);
  }

  function compose(group, drawing) {
    var box = drawing.viewBox.baseVal, seconds = Number(group.dataset.seconds);
    var low = Number(group.dataset.low), high = Number(group.dataset.high);
    var path = drawing.querySelector("path").getAttribute("d");
    var samples = new Float32Array(Math.ceil(Math.min(seconds, Number(group.dataset.most)) * RATE));
    function toSeconds(x) { return x / box.width * seconds; }
    function toMidi(y) { return high - y / box.height * (high - low); }
    if (group.dataset.kind === "notes") { addNotes(samples, readNotes(path, toSeconds, toMidi)); } else { addPitch(samples, path, toSeconds, toMidi); }
    return toWave(samples);
  }

  // Sound is decoded when it is first asked for, and starts at the place the other one has reached by then.
  function start(audio, place, done) {
    function seek() {
      var at = Math.min(place(), audio.duration || 0);
      if (Math.abs(audio.currentTime - at) < 0.001) { done(); return; }
      audio.addEventListener("seeked", done, { once: true });
      audio.currentTime = at;
    }
    if (audio.readyState > 0) { seek(); return; }
    audio.addEventListener("loadedmetadata", seek, { once: true });
    if (audio.compose) { audio.src = audio.compose(); }
    audio.preload = "auto";
    audio.load();
  }

  function mix(group, number) {
    var rows = Array.from(group.querySelectorAll(".track"));
    rows.forEach(function (row) {
      var drawing = row.querySelector("svg.notes, svg.pitch"), path = drawing && drawing.querySelector("path").getAttribute("d");
      if (!path || row.dataset.same !== undefined) { return; }
      var audio = make("audio", { hidden: "" });
      audio.compose = function () { return compose(group, drawing); };
      row.append(audio);
    });
    var sounds = rows.map(function (row) {
      return (row.dataset.same === undefined ? row : rows[row.dataset.same]).querySelector("audio");
    });
    var seconds = Number(group.dataset.seconds);
    var current = sounds.findIndex(Boolean), place = 0, playing = false, turn = 0;
    if (current < 0) { return; }

    var button = make("button", { type: "button", class: "toggle" }, "Play");
    var slider = make("input", { type: "range", min: 0, max: seconds, step: 0.01, value: 0, "aria-label": "Place in the clip" });
    var time = make("output", {});
    var bar = make("div", { class: "mixer" });
    bar.append(button, slider, time);
    group.prepend(bar);
    group.classList.add("mixed");

    function draw() {
      group.style.setProperty("--place", Math.min(place / seconds, 1));
      slider.value = place;
      slider.setAttribute("aria-valuetext", show(place));
      time.textContent = show(place) + " of " + show(seconds);
      button.textContent = playing ? "Pause" : "Play";
      rows.forEach(function (row, other) { row.classList.toggle("chosen", other === current); });
    }

    function follow() {
      if (!playing) { return; }
      if (!sounds[current].paused) { place = sounds[current].currentTime; }
      draw();
      requestAnimationFrame(follow);
    }

    function pause() {
      playing = false;
      turn += 1;
      sounds.forEach(function (audio) { if (audio) { audio.pause(); } });
      draw();
    }

    function play() {
      var mine = turn += 1, audio = sounds[current];
      players.forEach(function (other) { if (other !== pause) { other(); } });
      if (place >= (audio.duration || seconds) - 0.01) { place = 0; }
      var heard = sounds.find(function (other) { return other && other !== audio && !other.paused; });
      function now() { return heard ? heard.currentTime : place; }
      start(audio, now, function () {
        if (mine !== turn) { return; }
        Promise.resolve(audio.play()).catch(function () { if (mine === turn) { pause(); } });
        sounds.forEach(function (other) { if (other && other !== audio) { other.pause(); } });
      });
      if (!playing) { playing = true; requestAnimationFrame(follow); }
      draw();
    }

    function choose(other) {
      if (other === current) { return; }
      var stays = sounds[other] === sounds[current];
      current = other;
      if (playing && !stays) { play(); } else { draw(); }
    }

    function go(to) {
      place = Math.max(0, Math.min(to, seconds));
      if (playing) {
        sounds[current].pause();
        play();
      } else { draw(); }
    }

    rows.forEach(function (row, other) {
      var name = row.querySelector(".track-name"), wave = row.querySelector(".wave");
      var own = row.querySelector("audio");
      wave.append(make("span", { class: "playhead" }));
      if (own) {
        own.hidden = true;
        own.controls = false;
        own.addEventListener("ended", function () {
          if (playing && sounds[current] === own) { place = own.duration; pause(); }
        });
      }
      if (!sounds[other]) { return; }
      var radio = make("input", { type: "radio", name: "track-" + number });
      radio.checked = other === current;
      radio.addEventListener("change", function () { choose(other); });
      var label = make("label", { class: "track-name" });
      label.append(radio, name);
      row.prepend(label);
      wave.addEventListener("click", function (event) {
        var box = wave.getBoundingClientRect();
        radio.checked = true;
        choose(other);
        go((event.clientX - box.left) / box.width * seconds);
      });
    });
    var shown = rows.findIndex(function (row, other) { return row.dataset.same === undefined && sounds[other] && row.querySelector("svg.notes, svg.pitch"); });
    if (shown >= 0) {
      current = shown;
      rows[shown].querySelector("input").checked = true;
    }
    button.addEventListener("click", function () { if (playing) { pause(); } else { play(); } });
    slider.addEventListener("input", function () { go(Number(slider.value)); });
    players.push(pause);
    draw();
  }

  document.querySelectorAll(".listening").forEach(mix);
})();
