'use strict';
// The pages are whole without this; it adds what moves. What comes from the server is only ever set as text.
const $ = (id) => document.getElementById(id);
const skew = Number(document.body.dataset.now) - Date.now(); // of the server's clock before ours
const now = () => Date.now() + skew;

function duration(ms) {
	const s = Math.max(0, Math.floor(ms / 1000)), m = Math.floor(s / 60), h = Math.floor(m / 60);
	if (s < 120) return `${s} s`;
	if (m < 120) return `${m} min`;
	return h < 48 ? `${h} h ${m % 60} min` : `${Math.floor(h / 24)} d ${h % 24} h`;
}

function showAges() {
	for (const age of document.querySelectorAll('.age')) {
		const ms = now() - Number(age.dataset.since);
		age.textContent = ms < 0 ? 'in the future' : `${duration(ms)} ago`;
	}
}
setInterval(showAges, 1000);
showAges();

// ---- the newest picture replaces itself; the page judges by itself whether one is missing

let unreachable = 0, said, why = ''; // since when the server does not answer; what it said last

function judge() {
	const at = $('newest'), due = Number(at.dataset.due), missed = Number(at.dataset.missed), alarm = $('alarm');
	if (said !== at) { // a page that is new brings the server's words
		said = at;
		why = alarm.textContent;
	}
	let words = why;
	if (unreachable) words = `No answer from this machine for ${duration(Date.now() - unreachable)}.`;
	else if (missed > 0 && now() > missed && !words) words = `The next picture is missing: it was due ${duration(now() - due)} ago.`;
	document.body.classList.toggle('late', words !== '');
	if (alarm.textContent !== words) alarm.textContent = words;
}

async function follow() {
	for (;;) {
		try {
			const answer = await fetch(`?after=${$('newest').dataset.seq}`, { cache: 'no-store' });
			if (!answer.ok) throw new Error(answer.status);
			const page = new DOMParser().parseFromString(await answer.text(), 'text/html');
			const fresh = page.getElementById('newest');
			unreachable = 0;
			if (fresh && fresh.dataset.seq !== $('newest').dataset.seq) {
				const picture = new Image(); // no flash: it is shown when it is here
				picture.src = fresh.querySelector('img').getAttribute('src');
				await picture.decode().catch(() => 0);
				$('newest').replaceWith(document.adoptNode(fresh));
				showAges();
			} else if (fresh) { // what is due next may be known better by now
				Object.assign($('newest').dataset, fresh.dataset);
				why = fresh.querySelector('#alarm').textContent;
			}
		} catch {
			unreachable = unreachable || Date.now();
			await new Promise((done) => setTimeout(done, 2000));
		}
		judge();
	}
}
if ($('newest')) {
	setInterval(judge, 1000);
	judge();
	follow();
}

// ---- a day: every slot under the finger

function day(at) {
	const data = at.dataset, states = data.states.split('|'), slots = [], cells = Number(data.cells);
	const keys = data.keys.split(' ');
	const columns = Number(data.columns), offsets = data.offsets.split(' ').map((o) => o.split(':').map(Number));
	let held = 0;
	for (const run of data.runs.split(' ').filter(Boolean)) {
		const [state, start, step, count, seq, add] = run.split(':').map(Number);
		for (let i = 0; i < count; i++)
			slots.push({ state, at: start + i * step, seq: seq + i * add, cell: state === 0 || states[state] === 'coming' ? held++ : -1 });
	}
	if (slots.length === 0) return;
	at.hidden = false;
	const range = $('slot'), time = $('time'), words = $('words'), full = $('full'), play = $('play');
	const quick = $('quick'), plane = $('plane'), sheets = [], zero = (n) => String(n).padStart(2, '0');
	let index = 0, timer = 0, playing = 0;

	const local = (ms) => { // by the server's zone, whatever the browser's is
		const offset = offsets.filter((o) => o[0] <= ms).pop() || offsets[0];
		return new Date(ms + offset[1] * 1000);
	};
	const clock = (ms) => {
		const d = local(ms);
		return `${zero(d.getUTCHours())}:${zero(d.getUTCMinutes())}:${zero(d.getUTCSeconds())}`;
	};
	const sheet = (n) => {
		if (!sheets[n]) {
			sheets[n] = new Image();
			sheets[n].onload = () => { sheets[n].ready = true; draw(); show(false); };
			sheets[n].src = `${n + 1}.jpg?key=${keys[n]}&${location.search.slice(1)}`;
		}
		return sheets[n];
	};
	const paint = (context, slot, x, y, w, h, cut) => {
		if (slot.cell >= 0) {
			const s = sheet(Math.floor(slot.cell / cells)), i = slot.cell % cells;
			if (!s.ready) return false;
			const cw = s.naturalWidth / columns, n = Math.min(cells, held - Math.floor(slot.cell / cells) * cells);
			const ch = s.naturalHeight / Math.ceil(n / columns), part = cut ? Math.min(cw, ch * w / h) : cw;
			context.drawImage(s, i % columns * cw + (cw - part) / 2, Math.floor(i / columns) * ch, part, ch, x, y, w, h);
			return true;
		}
		context.fillStyle = getComputedStyle(at).getPropertyValue(`--${states[slot.state]}`);
		context.fillRect(x, y, w, h);
		return true;
	};
	const hours = Math.ceil((Number(data.until) - Number(data.since)) / 3600000);
	const row = () => (plane.clientWidth > 700 ? 34 : 26);
	function draw() {
		const ratio = window.devicePixelRatio || 1, w = plane.clientWidth, h = row() * hours;
		plane.width = w * ratio;
		plane.height = h * ratio;
		plane.style.height = `${h}px`;
		const context = plane.getContext('2d');
		context.scale(ratio, ratio);
		const since = Number(data.since), left = 44, wide = w - left, pixel = 3600000 / wide * 3;
		let last = -1e18;
		context.font = '12px system-ui';
		context.textBaseline = 'middle';
		for (let i = 0; i < slots.length; i++) {
			const s = slots[i], next = slots[i + 1], line = Math.floor((s.at - since) / 3600000);
			if (s.at - last < pixel && s.at >= last) continue; // thinner than can be seen
			last = s.at;
			const x = left + (s.at - since) % 3600000 / 3600000 * wide;
			const end = Math.max(pixel, Math.min(next ? next.at - s.at : 60000, 600000)) / 3600000 * wide;
			paint(context, s, x, line * row(), Math.min(end, w - x) + .5, row() - 1, true);
		}
		context.fillStyle = getComputedStyle(at).getPropertyValue('--soft');
		for (let i = 0; i < hours; i++) context.fillText(clock(since + i * 3600000).slice(0, 5), 4, (i + .5) * row());
		const s = slots[index], line = Math.floor((s.at - since) / 3600000);
		context.strokeStyle = getComputedStyle(at).getPropertyValue('--accent');
		context.lineWidth = 2.5;
		context.strokeRect(left + (s.at - since) % 3600000 / 3600000 * wide - 2, line * row(), 5, row() - 1);
	}
	function show(moved) {
		const s = slots[index], context = quick.getContext('2d');
		range.value = index;
		time.textContent = clock(s.at);
		range.setAttribute('aria-valuetext', `${clock(s.at)}, ${data.words.split('|')[s.state]}`);
		words.textContent = s.state === 0 ? '' : data.words.split('|')[s.state];
		$('get').hidden = $('open').hidden = s.state !== 0;
		$('get').href = `../${s.seq}.jpg`;
		$('open').href = `../${s.seq}/${location.protocol === 'file:' ? 'index.html' : ''}`;
		if (s.cell >= 0 && sheet(Math.floor(s.cell / cells)).ready) {
			const first = sheets[Math.floor(s.cell / cells)];
			const rows = Math.ceil(Math.min(cells, held - Math.floor(s.cell / cells) * cells) / columns);
			quick.width = 480;
			quick.height = Math.round(480 * (first.naturalHeight / rows) / (first.naturalWidth / columns));
		}
		paint(context, s, 0, 0, quick.width, quick.height, false);
		if (!moved) return;
		full.hidden = true;
		clearTimeout(timer);
		if (s.state === 0 && !playing) timer = setTimeout(() => {
			const picture = new Image();
			picture.onload = () => { if (slots[index] === s) { full.src = picture.src; full.hidden = false; } };
			picture.src = `../${s.seq}.jpg`;
		}, 150);
	}
	function go(to) {
		index = Math.max(0, Math.min(slots.length - 1, to));
		show(true);
		if (!playing) draw();
	}
	function stop() {
		clearInterval(playing);
		playing = 0;
		play.textContent = 'Play';
		go(index);
	}
	play.onclick = () => {
		if (playing) return stop();
		if (index === slots.length - 1) index = 0;
		play.textContent = 'Stop';
		playing = setInterval(() => { if (index < slots.length - 1) go(index + 1); else stop(); }, 50);
	};
	range.max = slots.length - 1;
	range.oninput = () => go(Number(range.value));
	const point = (event) => {
		const box = plane.getBoundingClientRect(), line = Math.floor((event.clientY - box.top) / row());
		const x = Math.max(0, event.clientX - box.left - 44) / (box.width - 44);
		const ms = Number(data.since) + (line + Math.min(x, .9999)) * 3600000;
		let low = 0, high = slots.length - 1;
		while (low < high) { const m = (low + high + 1) >> 1; if (slots[m].at <= ms) low = m; else high = m - 1; }
		go(low);
	};
	plane.onpointerdown = (event) => { plane.setPointerCapture(event.pointerId); point(event); };
	plane.onpointermove = (event) => { if (event.buttons || event.pointerType === 'mouse' && event.shiftKey) point(event); };
	document.onkeydown = (event) => {
		if (event.target.matches('input, a, button, summary')) return;
		const by = { ArrowLeft: -1, ArrowRight: 1, PageUp: -60, PageDown: 60 }[event.key];
		if (by) { event.preventDefault(); go(index + by); }
	};
	addEventListener('resize', draw);
	for (let i = 0; i * cells < Math.min(held, 4 * cells); i++) sheet(i);
	const wanted = slots.findIndex((s) => `#${s.seq}` === location.hash);
	// a day that is over opens where its light is, today with its newest
	const noon = slots.findIndex((s) => s.at >= (Number(data.since) + Number(data.until)) / 2);
	go(wanted >= 0 ? wanted : now() > Number(data.until) && noon >= 0 ? noon : slots.length - 1);
}
if ($('day')) day($('day'));

// ---- two moments over each other: the one before is shown up to the split

if ($('compare')) {
	const both = $('compare'), split = $('split');
	const set = () => both.style.setProperty('--split', `${split.value}%`);
	both.classList.add('over');
	split.hidden = false;
	split.oninput = set;
	const drag = (event) => {
		const box = both.querySelector('img').getBoundingClientRect();
		split.value = (event.clientX - box.left) / box.width * 100;
		set();
	};
	for (const image of both.querySelectorAll('img')) {
		image.draggable = false;
		image.style.touchAction = 'pan-y';
		image.onpointerdown = (event) => { image.setPointerCapture(event.pointerId); drag(event); };
		image.onpointermove = (event) => { if (event.buttons) drag(event); };
	}
	set();
}

// ---- aiming: the picture of the running service as often as it makes one, for ten minutes

if ($('aim')) {
	const canvas = $('whole'), whole = canvas.getContext('2d', { willReadFrequently: true });
	const centre = $('centre').getContext('2d'), said = $('said'), place = `ghost ${location.pathname}`;
	const ends = Date.now() + 600000;
	let best = 0, last = 0, lens = null, ghost = null, horizon = 0.5, clips = true, corners = null;
	const pause = (ms) => new Promise((done) => setTimeout(done, ms));
	const show = (seq) => {
		ghost = new Image();
		ghost.src = `../${seq}.jpg`;
	};
	const clip = () => {
		const at = whole.getImageData(0, 0, canvas.width, canvas.height), d = at.data;
		for (let i = 0; i < d.length; i += 4) {
			const low = Math.max(d[i], d[i + 1], d[i + 2]), high = Math.min(d[i], d[i + 1], d[i + 2]);
			if (high >= 250) { d[i] = 255; d[i + 1] = d[i + 2] = 0; }
			if (low <= 4) { d[i] = d[i + 1] = 0; d[i + 2] = 255; }
		}
		whole.putImageData(at, 0, 0);
	};
	const lines = () => {
		whole.fillStyle = whole.strokeStyle = '#ff0';
		if (horizon) whole.fillRect(0, horizon * canvas.height, canvas.width, 1);
		whole.beginPath();
		for (const [x, y] of corners || []) whole.lineTo(x * canvas.width, y * canvas.height);
		whole.closePath();
		whole.stroke();
	};
	const draw = async (head, bytes) => {
		const middle = 256 + head.picture;
		const part = (from, to) => createImageBitmap(new Blob([bytes.slice(from, to)], { type: 'image/jpeg' }));
		const [small, sharp] = await Promise.all([part(256, middle), part(middle, middle + head.centre)]);
		canvas.width = small.width;
		canvas.height = small.height;
		whole.drawImage(small, 0, 0);
		if (clips) clip();
		if (ghost && ghost.complete && ghost.naturalWidth) {
			whole.globalAlpha = 0.4;
			whole.drawImage(ghost, 0, 0, canvas.width, canvas.height);
			whole.globalAlpha = 1;
		}
		lines();
		$('centre').width = sharp.width;
		$('centre').height = sharp.height;
		centre.drawImage(sharp, 0, 0);
	};
	const tell = (head) => {
		best = Math.max(best, head.sharpness);
		lens = head.lens;
		$('sharp').textContent = head.sharpness.toFixed(1);
		$('best').textContent = best.toFixed(1);
		$('bar').value = best ? head.sharpness / best : 0;
		said.textContent = lens === null ? '' : `lens at ${lens} dioptres`;
	};
	const look = async () => {
		while (Date.now() < ends) {
			try {
				const answer = document.hidden ? null : await fetch(`now?after=${last}`, { cache: 'no-store' });
				if (!answer || !answer.ok) throw new Error('No picture comes: does the service run here?');
				const bytes = await answer.arrayBuffer();
				const head = JSON.parse(new TextDecoder().decode(bytes.slice(0, 256)));
				await draw(head, bytes);
				tell(head);
				last = head.n;
				document.body.dataset.aimed = Number(document.body.dataset.aimed || 0) + 1;
			} catch (error) {
				said.textContent = document.hidden ? '' : error.message;
				await pause(1000);
			}
		}
		said.textContent = 'Ten minutes are over: load the page again to go on.';
	};
	const keys = {
		b: () => { best = 0; },
		l: () => { $('line').textContent = lens === null ? 'This lens does not tell where it is.' : `[camera]\nfocus = ${lens}`; },
		r: () => {
			ghost = ghost ? null : (show($('aim').dataset.seq), ghost);
			if (ghost) localStorage.setItem(place, $('aim').dataset.seq);
			else localStorage.removeItem(place);
		},
		h: () => { horizon = horizon ? 0 : 0.5; },
		c: () => { clips = !clips; },
		m: () => { corners = corners ? null : []; $('line').textContent = corners ? 'Touch the corners of what nobody is to see.' : ''; },
	};
	const buttons = { again: 'b', lens: 'l', reference: 'r', horizon: 'h', clipped: 'c', corner: 'm' };
	for (const id in buttons) $(id).onclick = keys[buttons[id]];
	addEventListener('keydown', (event) => { if (!event.ctrlKey && !event.metaKey && keys[event.key]) keys[event.key](); });
	canvas.onclick = (event) => {
		const box = canvas.getBoundingClientRect();
		const x = (event.clientX - box.left) / box.width, y = (event.clientY - box.top) / box.height;
		if (!corners) { horizon = y; return; }
		corners.push([x, y].map((share) => Math.min(Math.max(share, 0), 1).toFixed(3)));
		$('line').textContent = `[mask]\narea = ${corners.map((c) => c.join(',')).join(' ')}`;
	};
	if (localStorage.getItem(place)) show(localStorage.getItem(place));
	look();
}
