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
    audio.preload = "auto";
    audio.load();
  }

  function mix(group, number) {
    var rows = Array.from(group.querySelectorAll(".track"));
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
    button.addEventListener("click", function () { if (playing) { pause(); } else { play(); } });
    slider.addEventListener("input", function () { go(Number(slider.value)); });
    players.push(pause);
    draw();
  }

  document.querySelectorAll(".listening").forEach(mix);
})();
