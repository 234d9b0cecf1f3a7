import { BarChart, LineChart } from 'echarts/charts';
import { GridComponent, MarkLineComponent, MarkPointComponent } from 'echarts/components';
import { type EChartsCoreOption, init, use } from 'echarts/core';
import { SVGRenderer } from 'echarts/renderers';
import { Html, html } from './html.ts';

use([BarChart, LineChart, GridComponent, MarkLineComponent, MarkPointComponent, SVGRenderer]);

const WIDTH = 460;
const HEIGHT = 270;

/**
 * Draws a chart as inline SVG. Colours in `option` may be CSS variables: the page's light and dark schemes then reach into
 * the chart. Text size and font come from the style sheet.
 */
export function chartSvg(option: EChartsCoreOption, id: string, label: string): Html {
  const chart = init(null, null, { renderer: 'svg', ssr: true, width: WIDTH, height: HEIGHT });
  try {
    chart.setOption({ animation: false, grid: { left: 48, right: 24, top: 28, bottom: 46 }, ...option });
    const svg = plain(chart.renderToSVGString(), id);
    return html`<svg class="chart" viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${label}">${svg}</svg>`;
  } finally {
    chart.dispose();
  }
}

/**
 * ECharts' SVG without what this page forbids or does not need: style elements and attributes (Content-Security-Policy), hover
 * classes, and ids numbered over the life of the process, which would make bytes depend on what was drawn before.
 */
function plain(svg: string, id: string): Html {
  const inner = svg.slice(svg.indexOf('>') + 1, svg.lastIndexOf('</svg>'));
  return new Html(
    inner
      .replace(/<style[\s\S]*?<\/style>/g, '')
      .replace(/ (?:style|class|pointer-events|ecmeta_\w+)="[^"]*"/g, '')
      .replace(/\bzr\d+-/g, `${id}-`)
      .replace(/\n+/g, '\n'),
  );
}
