// Draws the plots: the page carries complete Vega specifications as JSON, this adds size and colours.
(function () {
  'use strict';
  const specs = JSON.parse(document.getElementById('plot-data').textContent);
  const dark = window.matchMedia('(prefers-color-scheme: dark)');
  const views = new Map();
  let printing = false;

  // Okabe & Ito's palette: told apart by people with colour blindness, too.
  const light = {
    c_baseline: '#0072b2', c_fault: '#d55e00', c_window: '#b3123c', c_muted: '#8a929c', c_text: '#1c2126',
    c_grid: '#e3e6ea',
    c_phases: ['#56b4e9', '#0072b2', '#009e73', '#d55e00', '#cc79a7', '#e69f00', '#b8bec6']
  };
  const night = {
    c_baseline: '#56b4e9', c_fault: '#f0914a', c_window: '#ff5c7f', c_muted: '#8b949e', c_text: '#e6e9ec',
    c_grid: '#31373f',
    c_phases: ['#8fd0f5', '#3f97d3', '#2bbd92', '#f0914a', '#dd9cc0', '#f2c14e', '#78828d']
  };
  const theme = () => (dark.matches && !printing ? night : light);

  const config = (colors) => ({
    background: null,
    font: 'system-ui, sans-serif',
    axis: {
      labelColor: colors.c_text, titleColor: colors.c_text, gridColor: colors.c_grid, domainColor: colors.c_muted,
      tickColor: colors.c_muted, labelFont: 'system-ui, sans-serif', titleFont: 'system-ui, sans-serif',
      labelFontSize: 12, titleFontSize: 12, titleFontWeight: 500, titlePadding: 8
    }
  });

  // Print sheets have no window: about the width of A4 with margins.
  const width = (element) => (printing ? Math.min(680, element.clientWidth || 680) : element.clientWidth);

  function fail(id, error) {
    const element = document.getElementById(id);
    if (views.has(id)) views.get(id).finalize();
    views.delete(id);
    const message = document.createElement('p');
    message.className = 'plot-error';
    message.setAttribute('role', 'alert');
    message.textContent = 'This plot could not be drawn (' + (error && error.message || error) + '). The tables hold the same figures.';
    element.replaceChildren(message);
  }

  // Vega throws for a wrong specification, but only logs what goes wrong while it draws.
  const logger = (id) => {
    const quiet = {level: () => quiet, warn: () => quiet, info: () => quiet, debug: () => quiet};
    quiet.error = (error) => { fail(id, error); return quiet; };
    return quiet;
  };

  function draw(id) {
    const element = document.getElementById(id);
    const colors = theme();
    if (views.has(id)) views.get(id).finalize();
    element.replaceChildren();
    try {
      const spec = JSON.parse(JSON.stringify(specs[id]));
      spec.width = width(element);
      spec.signals = Object.entries(colors).map(([name, value]) => ({name, value})).concat(spec.signals || []);
      const view = new vega.View(vega.parse(spec, config(colors), {ast: true}), {
        expr: vega.expressionInterpreter, renderer: 'svg', container: element, hover: false, logger: logger(id)
      });
      views.set(id, view);
      view.run();
    } catch (error) {
      fail(id, error);
    }
  }

  const drawAll = () => Object.keys(specs).forEach(draw);
  const resize = () => views.forEach((view, id) => view.width(width(document.getElementById(id))).run());

  let pending = 0;
  window.addEventListener('resize', () => {
    window.clearTimeout(pending);
    pending = window.setTimeout(resize, 120);
  });
  dark.addEventListener('change', drawAll);
  window.addEventListener('beforeprint', () => { printing = true; drawAll(); });
  window.addEventListener('afterprint', () => { printing = false; drawAll(); });
  drawAll();
})();
