// A drop zone that streams each file to the server by itself: progress, cancel, and words in two languages.
export function render({model}) {
  const root = document.createElement('div');
  root.className = 'view page';
  const zone = document.createElement('label');
  zone.className = 'zone';
  const lead = document.createElement('strong'), hint = document.createElement('p');
  lead.className = 'lead';
  hint.className = 'small';
  const input = document.createElement('input');
  input.type = 'file';
  input.multiple = true;
  input.id = 'files';
  zone.append(lead, hint, input);
  const list = document.createElement('ul');
  list.setAttribute('aria-live', 'polite');
  root.append(zone, list);
  const rows = [];
  let busy = false;

  const words = () => {
    lead.textContent = model.words.lead;
    hint.textContent = model.words.hint;
    input.setAttribute('aria-label', model.words.lead);
    rows.forEach(show);
  };
  const size = (bytes) => `${(bytes / 1048576).toFixed(bytes < 1048576 ? 2 : 1)} MB`;

  function show(row) {
    row.name.textContent = row.file.name;
    row.size.textContent = size(row.file.size);
    row.bar.setAttribute('aria-label', row.file.name);
    row.bar.hidden = row.state !== 'sending';
    row.verdict.textContent = model.words[row.state] ?? row.state;
    row.verdict.className = 'state ' + ({done: 'good', waiting: 'unknown', sending: 'unknown', cancelled: 'unknown'}[row.state] ?? 'bad');
    row.cancel.textContent = model.words.cancel;
    row.cancel.hidden = !['waiting', 'sending'].includes(row.state);
    row.cancel.setAttribute('aria-label', `${model.words.cancel}: ${row.file.name}`);
  }

  function add(files) {
    for (const file of files) {
      const item = document.createElement('li');
      item.className = 'file';
      const row = {file, item, state: 'waiting'};
      for (const [name, tag] of [['name', 'strong'], ['size', 'span'], ['bar', 'progress'], ['verdict', 'span'], ['cancel', 'button']]) {
        row[name] = document.createElement(tag);
      }
      row.bar.max = 1;
      row.bar.value = 0;
      row.cancel.type = 'button';
      row.cancel.className = 'button';
      row.cancel.addEventListener('click', () => {
        row.state = 'cancelled';
        row.request?.abort();
        show(row);
      });
      const state = document.createElement('span');
      state.append(row.bar, row.verdict);
      item.append(row.name, row.size, state, row.cancel);
      list.append(item);
      rows.push(row);
      if (file.size > model.most_bytes) row.state = 'too_large';
      show(row);
    }
    next();
  }

  function next() {
    if (busy) return;
    const row = rows.find((r) => r.state === 'waiting');
    if (!row) {
      if (rows.some((r) => r.state === 'done' && !r.told)) {
        rows.forEach((r) => { r.told = true; });
        model.send_msg({act: 'arrived'});
      }
      return;
    }
    busy = true;
    row.state = 'sending';
    show(row);
    const request = row.request = new XMLHttpRequest();
    request.open('POST', `${model.url}?name=${encodeURIComponent(row.file.name)}`);
    request.upload.addEventListener('progress', (event) => {
      if (event.lengthComputable) row.bar.value = event.loaded / event.total;
    });
    request.addEventListener('loadend', () => {
      if (row.state === 'sending') {
        row.state = request.status === 200 ? 'done' : request.status === 413 ? 'too_large' : 'refused';
      }
      busy = false;
      show(row);
      next();
    });
    request.send(row.file);
  }

  input.addEventListener('change', () => {
    add(input.files);
    input.value = '';
  });
  for (const name of ['dragenter', 'dragover']) {
    zone.addEventListener(name, (event) => {
      event.preventDefault();
      zone.classList.add('over');
    });
  }
  for (const name of ['dragleave', 'drop']) zone.addEventListener(name, () => zone.classList.remove('over'));
  zone.addEventListener('drop', (event) => {
    event.preventDefault();
    add(event.dataTransfer.files);
  });
  model.on('words', words);
  model.on('msg:custom', (message) => {
    if (message.clear) {
      rows.forEach((row) => row.item.remove());
      rows.length = 0;
    }
  });
  words();
  return root;
}
